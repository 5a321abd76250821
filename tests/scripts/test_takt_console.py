# SPDX-License-Identifier: Apache-2.0
"""The console's reader on a program that prints what is asked."""
import pytest
import takt_console


def console(tmp_path, script, budget=20):
    return takt_console.Console(["sh", "-c", script], tmp_path / "log", budget)


def test_a_line_of_one_vm_is_told_from_another(tmp_path):
    with console(tmp_path, "printf '[a] count 1\\r\\n[b] count 2\\r\\n[a] count 3\\r\\n'") as c:
        assert c.expect_vm("b", r"count (\d+)").group(1) == "2"
        assert c.expect_vm("a", r"count (\d+)").group(1) == "3"
        assert c.seen_vm("a", r"count (\d+)").group(1) == "1"


def test_a_line_counts_only_when_it_is_whole(tmp_path):
    with console(tmp_path, "printf '[a] count 1'; sleep 0.3; printf '23\\r\\n'") as c:
        assert c.expect_vm("a", r"count (\d+)").group(1) == "123"


def test_a_line_that_was_cut_is_joined(tmp_path):
    with console(tmp_path, "printf '[a] one\r\n[a] co\r\n[b] x\r\n[a]+unt\r\n[b] y\r\n[a]'; sleep 0.3; printf '+ 4'; sleep 0.3; "
                           "printf '2\r\n[a] end\r\n'") as c:
        assert c.expect_vm("a", r"count (\d+)").group(1) == "42"
        c.expect_vm("a", "end")
        assert c.lines_of("a") == ["one", "count 42", "end"]
        assert c.lines_of("b") == ["x", "y"]


def test_the_end_of_the_machine_is_told(tmp_path):
    with console(tmp_path, "echo last words; exit 3") as c:
        with pytest.raises(takt_console.ConsoleError, match=r"ended with status 3(.|\n)*last words"):
            c.expect("never")


def test_a_panic_ends_every_wait(tmp_path):
    with console(tmp_path, "printf '[takt] PANIC on core 1: broken\\r\\n[takt]   x0  1\\r\\n'; sleep 30") as c:
        with pytest.raises(takt_console.ConsoleError, match=r"stopped itself(.|\n)*broken"):
            c.expect("never", timeout=30)


def test_waiting_is_bounded_by_the_run(tmp_path):
    with console(tmp_path, "sleep 30", budget=1) as c:
        with pytest.raises(takt_console.ConsoleError, match="1 s are used up"):
            c.expect("never", timeout=30)


def test_a_monitor_answer_leaves_the_guests_out(tmp_path):
    # The stand-in answers like the monitor: prompt, echo, rows between lines of a guest, prompt.
    script = ("stty raw -echo; printf '\\r\\n-- input goes to the monitor --\\r\\n'; dd bs=1 count=2 2>/dev/null >/dev/null; printf 'takt> '; dd bs=1 count=4 2>/dev/null; "
              "printf '\\r\\n[linux] cut\\r\\nv\\r\\n[linux] cut\\r\\nmtakt> vm\\r\\n[linux] cut\\r\\ntakt> vms\\r\\n 1 linux running\\r\\n[linux] noise\\r\\n 2 rt-probe stopped\\r\\ntakt> '; sleep 5")
    with console(tmp_path, script) as c:
        assert c.vm_numbers() == {"linux": 1, "rt-probe": 2}


def test_budget_rows():
    answer = ("vm                      vcpu activations      own platform\n"
              "rtprobe                    0        1200        0        3\n"
              "linux                      1         900        2        0\nmisses: 2 own, 3 platform\n")
    assert takt_console.budget_rows(answer) == [("rtprobe/0", 1200, 0), ("linux/1", 900, 2)]


def test_a_paced_line_comes_whole_and_in_pieces(tmp_path):
    script = "stty raw -echo; echo go; dd bs=64 count=1 2>/dev/null | wc -c; dd bs=64 count=3 2>/dev/null | tr '\\r' '\\n'"
    with takt_console.Console(["sh", "-c", script], tmp_path / "log", 20, pace=0.3) as c:
        c.expect("go\n")
        c.type_line("abcdefghijklmnopqrstuvwxyz")
        assert int(c.expect(r"(?m)^ *(\d+)\n").group(1)) == takt_console.PACED_CHARS
        assert c.expect(r"(?m)^(\w+)\n").group(1) == "ijklmnopqrstuvwxyz"

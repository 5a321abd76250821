# SPDX-License-Identifier: Apache-2.0
"""The console of all: the monitor's commands, keys, focus, and lines that never mix."""
import re

import bench
import libtakt
import pytest


@pytest.fixture
def three(takt):
    return takt.write("three.dts", libtakt.system(
        takt.vm("rt", takt.program("rtprobe"), [libtakt.reserved(0)], "mode=probe"),
        takt.vm("load", takt.program("matmul"), [libtakt.on_core(0)], "seed=3"),
        takt.vm("flood", takt.program("hostile"), [libtakt.on_core(1)], "attack=console-flood repeat=0")))


def rows(answer):
    return [line.split() for line in answer.splitlines()]


@pytest.mark.boards("qemu-arm64", "qemu-x86")
def test_every_command_answers(takt, three):
    with takt.boot(three, 180, cores=2) as console:
        console.expect_vm("rt", r"count \d+", 60)
        assert {row[0] for row in rows(console.monitor("help"))} >= {
            "help", "vms", "cpus", "vcpus", "exits", "timers", "misses", "promises", "memory", "log", "stop", "start", "restart",
            "reset", "quit"}
        vms = rows(console.monitor("vms"))
        assert [row[:3] for row in vms[1:]] == [["1", "rt", "running"], ["2", "load", "running"],
                                                ["3", "flood", "running"]]
        cpus = rows(console.monitor("cpus"))
        assert cpus[0][:3] == ["core", "promised", "used"] and [row[0] for row in cpus[1:]] == ["0", "1"]
        # 200 us every millisecond, and what the board says that an activation costs
        assert cpus[1][1] == f"{20 + bench.board_constant(takt.board, 'overhead-ns') / 10_000:.1f}%"
        vcpus = rows(console.monitor("vcpus"))
        assert [row[:3] for row in vcpus[1:]] == [["rt", "0", "0"], ["load", "0", "0"], ["flood", "0", "1"]]
        assert vcpus[1][4:7] == ["200", "1000", "1000"]
        timers = rows(console.monitor("timers"))
        assert timers[1][0] == "rt" and int(timers[1][2]) > 50
        assert int(timers[1][3]) <= int(timers[1][4]) <= int(timers[1][6])
        exits = rows(console.monitor("exits flood"))
        assert exits[1][0] == "flood" and any(row[1] == "mmio" and int(row[2]) > 1000 for row in exits[1:])
        assert rows(console.monitor("misses"))[1][:2] == ["rt", "0"]
        promise = rows(console.monitor("promises"))[1]
        constants = ("masked-ns", "injection-ns", "irq-cost-ns")  # nobody else reserved; the console interrupts core 0
        assert promise[:2] == ["rt", "0"] and int(promise[3]) > 50
        assert 0 <= int(promise[2]) - sum(bench.board_constant(takt.board, name) for name in constants) < 100
        assert "MiB" in console.monitor("memory") or "KiB" in console.monitor("memory")
        assert "admitted: " in console.monitor("log")
        assert "no command 'nonsense'" in console.monitor("nonsense")
        assert "stop needs NAME" in console.monitor("stop")
        assert console.quit() == 0


def promise_of(takt, name, board_data=None):
    """The row of a sleeper beside a load, after a second of its own time, and the console's text."""
    system = takt.write(f"{name}.dts", libtakt.system(
        takt.vm("rt", takt.program("rtprobe"), [libtakt.reserved(0)], "mode=probe"),
        takt.vm("load", takt.program("matmul"), [libtakt.on_core(0)], "quiet")))
    itb = takt.pack(system, board_data=board_data)
    with takt.boot_image(itb, 240, cores=1, icount=takt.board != "bochs-vmx") as console:
        console.expect_vm("rt", r"count \d+", 200)
        row = rows(console.monitor("promises"))[1]
        return [int(number) for number in row[2:]], console.text


@pytest.mark.boards("qemu-arm64", "qemu-x86", "bochs-vmx")
def test_a_promise_that_rests_on_false_constants_is_seen_to_be_broken(takt):
    """Every wake-up by the guest's timer is held against what was promised: with the board's constants all are kept, with
    constants that are too small none is, by no fault of the machine."""
    (latency, checked, own, platform, worst), text = promise_of(takt, "true")
    assert checked > 20 and (own, platform, worst) == (0, 0, 0), (latency, checked, own, platform, worst)
    assert "later than its promise" not in text
    data = (libtakt.ROOT / "boards" / takt.board / "board.dts").read_text(encoding="utf-8")
    lies = takt.write("lies.dts", re.sub(r"(masked-ns|injection-ns|irq-cost-ns) = <\d+>", r"\1 = <10>", data))
    (latency, checked, own, platform, worst), text = promise_of(takt, "false", lies)
    assert latency < 100 and checked > 20, (latency, checked)
    assert own + platform == checked and own > 0.9 * checked and worst > 100, (checked, own, platform, worst)
    assert text.count("by no fault of the machine that is known") == 1


def test_timers_count_what_the_guest_saw(takt):
    """Every expiry is one interrupt, at both usual frequencies of the counter."""
    for hz in (62_500_000, 1_000_000_000):
        description = takt.write(f"count{hz}.dts", libtakt.system(
            takt.vm("rt", takt.program("rtprobe"), [libtakt.on_core(0)], "mode=probe"),
            takt.vm("load", takt.program("matmul"), [libtakt.on_core(0)], "quiet")))
        with takt.boot(description, 120, cores=1, icount=True, counter_hz=hz) as console:
            seen = int(console.expect_vm("rt", r"count (\d+) lateness", 60).group(1))
            told = int(rows(console.monitor("timers"))[1][2])
            # What came between the guest's line and the answer is less than a second's worth.
            assert seen <= told <= seen + 400, (hz, seen, told)


@pytest.mark.boards("qemu-arm64", "qemu-x86")
def test_lines_of_different_sources_never_mix(takt, three):
    with takt.boot(three, 180, cores=2) as console:
        for _ in range(3):
            console.expect_vm("rt", r"count \d+", 60)
        console.expect_vm("load", "round", 60)
        source = re.compile(r"\[(takt|rt|load|flood)\][ +]|takt> |-- .* --$|$")
        mixed = [line for line in console.text.splitlines()[:-1] if not source.match(line)]
        assert not mixed, mixed[:5]
        for vm, word in (("rt", "rtprobe: "), ("load", "matmul: ")):
            for line in console.lines_of(vm)[:-1]:
                assert line.startswith(word), line


@pytest.mark.boards("qemu-arm64", "qemu-x86")
def test_keys_choose_who_gets_the_input(takt, three):
    with takt.boot(three, 180, cores=2) as console:
        console.expect_vm("rt", r"count \d+", 60)
        console.focus(1)
        console.expect(r"-- input goes to rt\b", 30)
        console.process.send("h")  # rtprobe's own key
        console.expect_vm("rt", r"histogram \d+\.\.\d+ ns \d+", 60)
        for key, name in (("n", "load"), ("n", "flood"), ("p", "load"), ("m", "the monitor"), ("2", "load"),
                          ("0", "the monitor")):
            console.focus(key)
            console.expect(rf"-- input goes to {name}\b", 30)
        console.focus("?")
        console.expect(r"Ctrl-\]", 30)
        assert console.quit() == 0


def test_a_flood_of_output_delays_nobody(takt):
    def latest(*others):
        description = takt.write("flood.dts", libtakt.system(
            takt.vm("rt", takt.program("rtprobe"), [libtakt.reserved(0)], "mode=probe"), *others))
        with takt.boot(description, 200, cores=1, icount=True) as console:
            line = console.expect_vm("rt", r"count \d+ .* max (\d+)", 120)
            assert "misses: 0 own, 0 platform" in console.monitor("misses", 60)
            return int(line.group(1))

    assert latest() <= 1700
    assert latest(takt.vm("flood", takt.program("hostile"), [libtakt.on_core(0)],
                             "attack=console-flood repeat=0")) <= 2000

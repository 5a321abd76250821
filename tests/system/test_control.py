# SPDX-License-Identifier: Apache-2.0
"""Changes while the system runs, from the monitor and from a controller VM: rtprobe beside them keeps its promises. Under icount
with one core, so that a miss or a late wake-up can be nobody's but ours; what needs a second core has guests that mostly wait."""
import re

import bench
import libtakt
import pytest
import takt_console

pytestmark = pytest.mark.boards("qemu-arm64", "qemu-x86")


def rows(answer):
    header, *lines = answer.splitlines()
    return [dict(zip(header.split(), line.split())) for line in lines]


def all_is_kept(takt, console):
    """No miss, no wake-up later than promised, and no change that held a core up for long."""
    assert {row.own for row in takt_console.budget_rows(console.monitor("misses", 60))} == {0}
    assert {row["own"] for row in rows(console.monitor("promises", 60))} == {"0"}
    [changes] = rows(console.monitor("changes", 60))
    assert int(changes["commit-max-ns"]) <= bench.board_constant(takt.board, "masked-ns")
    assert int(changes["core-max-ns"]) <= 20_000
    masked = [int(row["masked-max-ns"]) for row in rows(console.monitor("cpus", 60))]
    assert max(masked) <= bench.board_constant(takt.board, "masked-ns")
    return changes


def ask(console, command, outcome):
    since = console.position
    assert "is being decided" in console.monitor(command, 60)
    console.position = since  # the log may have been quicker than the prompt
    verb, vm = command.split()[:2]
    return console.expect(rf"\[takt\] {vm}: {verb} {outcome}[^\n]*\n", 60).group(0)


def reservation(console, vm):
    row = next(row for row in rows(console.monitor("vcpus", 60)) if row["vm"] == vm)
    return [int(row[name]) for name in ("core", "budget-us", "deadline-us", "period-us")]


def test_the_operator_changes_reservations_beside_a_probe(takt):
    description = takt.write("reserve.dts", libtakt.system(
        takt.vm("rt", takt.program("rtprobe"), [libtakt.reserved(0)], "mode=probe"),
        takt.vm("big", takt.program("matmul"), [libtakt.reserved(0, 3000, 10000)], "seed=3 quiet"),
        takt.vm("late", takt.program("matmul"), [libtakt.reserved(None, 2000, 10000)], "seed=4 quiet", more="on-demand;"),
        takt.vm("load", takt.program("matmul"), [libtakt.on_core(0)], "seed=5 quiet")))
    with takt.boot(description, 400, cores=1, icount=True) as console:
        console.expect_vm("rt", r"count \d+", 100)
        assert rows(console.monitor("vms", 60))[2]["state"] == "absent"
        assert "not now, it is absent" in console.monitor("start late", 60)
        ask(console, "reserve big 0 6000 9000 10000", "done")
        assert reservation(console, "big") == [0, 6000, 9000, 10000]
        refused = ask(console, "reserve big 0 9000 10000 10000", "refused")
        found = re.search(r"core 0 cannot keep it: within ([\d.]+) us its reservations can want ([\d.]+) us, ([\d.]+) us too much; "
                          r"budget-us at most (\d+), or period-us at least (\d+); nothing has changed", refused)
        within, want, excess = map(float, found.groups()[:3])
        assert abs(want - within - excess) < 0.01
        assert reservation(console, "big") == [0, 6000, 9000, 10000]
        assert 7000 < int(found.group(4)) < 8000
        ask(console, f"reserve big 0 {found.group(4)} 10000 10000", "done")  # what it said would have fitted
        ask(console, "create late", "refused")
        ask(console, "reserve big 0 1000 9000 20000", "done")
        ask(console, "create late", "done")
        console.vm_reaches("late", "running", 60)
        console.expect_vm("rt", r"count \d+", 100)
        ask(console, "destroy late", "done")
        ask(console, "create late", "done")
        changes = all_is_kept(takt, console)
        assert (changes["asked"], changes["done"], changes["refused"]) == ("8", "6", "2")
        assert console.quit() == 0


def test_vcpus_move_while_they_run(takt):
    description = takt.write("move.dts", libtakt.system(
        takt.vm("rt", takt.program("rtprobe"), [libtakt.reserved(0)], "mode=probe"),
        takt.vm("other", takt.program("rtprobe"), [libtakt.reserved(0, 300, 2000)], "mode=probe"),
        takt.vm("third", takt.program("rtprobe"), [libtakt.on_core(1)], "mode=probe")))
    with takt.boot(description, 400, cores=2, icount=True) as console:
        for command, vm, core in (("move other 0 1", "other", 1), ("move rt 0 1", "rt", 1), ("move third 0 0", "third", 0),
                                  ("move other 0 0", "other", 0), ("move rt 0 0", "rt", 0)):
            console.expect_vm("rt", r"count \d+", 100)
            ask(console, command, "done")
            assert reservation(console, vm)[0] == core
        assert "no such VCPU or core" in console.monitor("move rt 0 2", 60)
        assert "no such VCPU or core" in console.monitor("move rt 1 0", 60)
        ask(console, "move rt 0 0", "refused: it is on that core")
        for vm in ("rt", "other", "third"):
            console.expect_vm(vm, r"count \d+", 100)
        assert {row.own for row in takt_console.budget_rows(console.monitor("misses", 60))} == {0}
        assert console.quit() == 0


def test_a_controller_does_the_same(takt):
    script = ",".join(("reserve:big:0:6000:9000:10000", "reserve:big:0:9000:10000:10000", "create:late", "stop:big", "start:big",
                       "destroy:late", "reserve:none:0:1:1:1", "move:rt:0:0", "move:rt:0:1"))
    description = takt.write("controller.dts", libtakt.system(
        takt.vm("rt", takt.program("rtprobe"), [libtakt.reserved(0)], "mode=probe"),
        takt.vm("big", takt.program("matmul"), [libtakt.reserved(0, 3000, 10000)], "seed=3 quiet"),
        takt.vm("late", takt.program("matmul"), [libtakt.reserved(None, 1000, 10000)], "seed=4 quiet", more="on-demand;"),
        takt.vm("boss", takt.program("controller"), [libtakt.on_core(0)], f"script={script}", more="controller;"),
        takt.vm("nobody", takt.program("controller"), [libtakt.on_core(0)], f"script={script}")))
    with takt.boot(description, 400, cores=1, icount=True) as console:
        console.expect_vm("boss", r"controller: end done 5 refused 2 not taken 2", 200)
        lines = [line.split("controller: ")[1] for line in console.lines_of("boss") if "controller: " in line]
        assert re.match(r"reserve:big:0:6000:9000:10000 done core 0 latency-ns [1-9]", lines[0])
        refused = re.match(r"\S+ refused core 0 at-ns (\d+) excess-ns (\d+) largest-us (\d+) smallest-us (\d+)$", lines[1])
        assert all(int(number) > 0 for number in refused.groups())
        assert [line.split()[1] for line in lines[2:]] == ["done", "done", "done", "done", "not", "senseless", "not", "done"]
        console.seen_vm("nobody", "nothing here takes orders from it")
        all_is_kept(takt, console)
        assert console.quit() == 0


def test_a_storm_of_requests_delays_nobody(takt):
    script = "reserve:big:0:6000:9000:10000,move:big:0:0,reserve:big:0:9000:10000:10000,reserve:big:0:1000:9000:10000,destroy:late,create:late"
    description = takt.write("storm.dts", libtakt.system(
        takt.vm("rt", takt.program("rtprobe"), [libtakt.reserved(0)], "mode=probe"),
        takt.vm("big", takt.program("matmul"), [libtakt.reserved(0, 3000, 10000)], "seed=3 quiet"),
        takt.vm("late", takt.program("matmul"), [libtakt.reserved(None, 1000, 10000)], "seed=4 quiet", more="on-demand;"),
        takt.vm("boss", takt.program("controller"), [libtakt.reserved(0, 500, 10000)], f"script={script} rounds=0 storm",
                more="controller;")))
    with takt.boot(description, 400, cores=1, icount=True) as console:
        for _ in range(2):
            console.expect_vm("rt", r"count \d+", 150)
        assert int(all_is_kept(takt, console)["done"]) > 50
        ask(console, "move rt 0 0", "refused: it is on that core")  # the operator has his turn
        assert console.quit() == 0

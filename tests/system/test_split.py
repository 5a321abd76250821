# SPDX-License-Identifier: Apache-2.0
"""A VCPU in two pieces on two cores. In real time: under icount cores take turns of milliseconds, and its first piece has its
refill before it is through. Nothing here depends on how long anything takes: what the host delays are the machine's misses, and
who holds the large reservations does not use them, so that a slow host has time left."""
import libtakt
import pytest
import takt_console

pytestmark = pytest.mark.boards("qemu-arm64", "qemu-x86")
PERIOD_US = 40000
SPLIT = "split"
SMALL = libtakt.reserved(None, PERIOD_US * 45 // 100, PERIOD_US)


def system(takt, split, others=True):
    """Two reservations of 70 % on a core each, so that one of 45 %, in `split`, is kept by both; and two loads that use the
    floating-point registers whenever they can."""
    probe, load = takt.program("rtprobe"), takt.program("matmul")
    large = libtakt.reserved(None, PERIOD_US * 70 // 100, PERIOD_US)
    return takt.write("split.dts", libtakt.system(
        *(takt.vm(f"large{core}", probe, [large], "mode=probe" if others else "mode=idle") for core in (0, 1)),
        *(takt.vm(f"load{core}", load, [libtakt.on_core(core)], f"seed={core + 1}") for core in (0, 1) if others), split))


def split_row(console, table="vcpus"):
    header, *lines = console.monitor(table, 60).splitlines()
    return next(row for row in (dict(zip(header.split(), line.split())) for line in lines)
                if row["vm"] == SPLIT and row["vcpu"] == "0")


def goes_on_moving(console, more):
    """Waits for that many moves, and to have met it on both cores."""
    cores, row = set(), split_row(console)
    since = int(row["moves"])
    while cores != {"0", "1"} or int(row["moves"]) < since + more:  # until the run's seconds are used up
        row = split_row(console)
        cores.add(row["core"])


def all_is_well(console):
    """The first piece has the time that it needs and no more (C=D): in real time it misses by what the host delays, and what
    that is less than, the hypervisor cannot tell from its own doing. So only the others' misses count here."""
    assert "FAILED" not in console.text
    assert [row.own for row in takt_console.budget_rows(console.monitor("misses", 60)) if row.vcpu != f"{SPLIT}/0"] == [0, 0]


def test_registers_and_results_are_right_on_both_cores(takt):
    split = takt.vm(SPLIT, takt.program("matmul"), [SMALL], "mode=fpcheck seed=3")
    with takt.boot(system(takt, split), 240, cores=2) as console:
        console.seen("piece 1 of 2", 60)
        goes_on_moving(console, 50)
        for vm, line in ((SPLIT, r"fpcheck: \d+ ok"), ("load0", r"round \d+ checksum \w+ ok"),
                         ("load1", r"round \d+ checksum \w+ ok")):
            console.expect_vm(vm, line, 60)
        all_is_well(console)
        assert console.quit() == 0


def its_interrupts_come_once(takt, ends, **options):
    """What the guest waits for comes, one for one; so it is after it was stopped on its way."""
    split = takt.vm(SPLIT, takt.program("rtprobe"), [SMALL, libtakt.on_core()], "mode=pingpong")
    with takt.boot(system(takt, split), 240, cores=2, **options) as console:
        goes_on_moving(console, 50)
        console.expect_vm(SPLIT, r"round \d+ ok", 60)
        for end in ends:
            console.monitor(f"{end} {SPLIT}", 60)
            if end == "stop":
                console.vm_reaches(SPLIT, "stopped", 60)
                console.monitor(f"start {SPLIT}", 60)
            console.vm_reaches(SPLIT, "running", 60)
            goes_on_moving(console, 4)
        console.expect_vm(SPLIT, r"round \d+ ok", 60)
        all_is_well(console)
        assert console.quit() == 0


def test_its_interrupts_come_once_whatever_stops_and_starts_it(takt):
    its_interrupts_come_once(takt, ("stop", "restart") * 5)


@pytest.mark.boards("qemu-arm64")
def test_its_interrupts_come_once_by_gicv2(takt):
    its_interrupts_come_once(takt, ("stop", "restart"), gic=2)


def test_alone_it_misses_nothing(takt):
    """Under icount, with nobody else who runs: one core is busy at a time, so that the emulator takes no time from the other."""
    split = takt.vm(SPLIT, takt.program("matmul"), [SMALL], "mode=fpcheck seed=3")
    with takt.boot(system(takt, split, others=False), 240, cores=2, icount=True) as console:
        for _ in range(2):
            console.expect_vm(SPLIT, r"fpcheck: \d+ ok", 100)
        assert int(split_row(console)["moves"]) >= 2 * 40
        assert [row.own for row in takt_console.budget_rows(console.monitor("misses", 60))] == [0, 0, 0]


def test_alone_its_timers_come_as_promised_on_both_cores(takt):
    """The same with a player: a frame's 4 ms of work are more than its first piece, so that the sleep behind it begins on the second
    core, and the next frame on the first."""
    large = libtakt.reserved(None, 6500, 10000)
    text = libtakt.system(*(takt.vm(f"large{n}", takt.program("rtprobe"), [large], "mode=idle") for n in (0, 1)),
                          takt.vm(SPLIT, takt.program("rtprobe"), [libtakt.reserved(None, 5000, 10000)],
                                  "mode=bench-s decode samples=100"))
    with takt.boot(takt.write("player.dts", text), 240, icount=True, cores=2) as console:
        console.seen("piece 1 of 2", 60)
        console.expect_vm(SPLIT, "BENCH-DONE", 200)
        promise = split_row(console, "promises")
        assert int(promise["checked"]) > 100 and (promise["own"], promise["platform"]) == ("0", "0"), promise
        assert int(split_row(console)["moves"]) > 100
        assert [row.own for row in takt_console.budget_rows(console.monitor("misses", 60))] == [0, 0, 0]

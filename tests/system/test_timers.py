# SPDX-License-Identifier: Apache-2.0
"""Timers as a service: a guest that has no other ones, beside one that computes, on one core.

Virtual time: an instruction is a nanosecond, so lateness is exact, and no miss has an excuse.
"""
import libtakt
import pytest
import takt_console

pytestmark = pytest.mark.boards("qemu-arm64", "qemu-x86")
LINE = (r"tickless: late ns fast (\d+) (\d+) (\d+) slow (\d+) (\d+) (\d+) sleep (\d+) (\d+) (\d+) pending (\d+) early (\d+) "
        r"left us (\d+) faults (\d+)")
LATEST_NS = 1700  # from the expiry till the interrupt is made pending: rtprobe's bound of a whole wake-up
# Till the vector. The mean: an interrupt that comes alone; the greatest: behind the handlers of the others that were due.
MEAN_NS = {"arm64": 2400, "x86": 1800}
BEHIND_OTHERS_NS = 6500
COUNTS = {"fast": (1000, 1000), "slow": (400, 2500)}  # a second; period in us


def test_a_tickless_guest_beside_one_that_computes(takt):
    """The guest itself holds every expiry against what it asked for; here is that it did, and how late they were."""
    description = takt.write("tickless.dts", libtakt.system(
        takt.vm("rt", takt.program("tickless"), [libtakt.reserved(0, 300, 1000, 500)], more="timer-distance-us = <1>;"),
        takt.vm("load", takt.program("matmul"), [libtakt.on_core(0)], "mode=matmul")))
    with takt.boot(description, 200, icount=True, cores=1) as console:
        lines = [[int(figure) for figure in console.expect_vm("rt", LINE, 90).groups()] for _ in range(2)]
        answer = console.monitor("misses", 60)
        console.focus(console.vm_numbers()["rt"])
        console.process.send("q")
        console.expect_vm("rt", "tickless: end", 60)
        assert "[load] matmul: round" in console.text and "FAILED" not in console.text
    assert [row.vcpu for row in takt_console.budget_rows(answer)] == ["rt/0"], answer
    assert "misses: 0 own, 0 platform" in answer
    for number, line in enumerate(lines, 1):
        fast, slow, sleep = line[0:3], line[3:6], line[6:9]
        pending, early, left_us, faults = line[9:]
        assert faults == 0, line
        for (count, _mean, latest), (each_second, period_us) in zip((fast, slow), COUNTS.values()):
            assert 0 <= count - number * each_second <= 6500 // period_us + 1, line  # the line waits for a sleep's end
            assert latest <= BEHIND_OTHERS_NS, line
        assert sleep[0] >= number * 1_000_000 // 6000 and sleep[2] <= BEHIND_OTHERS_NS, line
        assert sleep[1] <= MEAN_NS[takt.arch] and pending <= LATEST_NS, line
        assert early >= number * 1000 and 0 < left_us < 6000, line


def test_they_keep_their_distance(takt):
    """Two that are due within the VM's distance: the second waits, nothing is lost."""
    description = takt.write("distance.dts", libtakt.system(
        takt.vm("rt", takt.program("tickless"), [libtakt.reserved(0, 300, 1000, 500)], "seconds=1",
                more="timer-distance-us = <100>;")))
    with takt.boot(description, 100, icount=True, cores=1) as console:
        found = console.expect_vm("rt", LINE, 60).groups()
        assert int(found[-1]) == 0 and 90_000 < int(found[8]) < 100_000 + BEHIND_OTHERS_NS, found
        console.seen_vm("rt", "tickless: end")
        assert console.vm_reaches("rt", "off").reason == "the guest powered itself off"


# SPDX-License-Identifier: Apache-2.0
"""Reclaiming: who chose it runs for longer than its budget beside one that sleeps, and that one is never later than promised.

Virtual time: an instruction is a nanosecond, and no miss has an excuse.
"""
import libtakt
import pytest
import takt_console

pytestmark = pytest.mark.boards("qemu-arm64")
SLEEPER = libtakt.reserved(0, 400, 1000)


def system(takt, busy):
    """40 % for a probe that mostly sleeps for longer than its period, 30 % for a load, and a load that has the rest."""
    load = takt.program("matmul")
    return takt.write("reclaim.dts", libtakt.system(takt.vm("sleeper", takt.program("rtprobe"), [SLEEPER], "mode=probe"),
                                                    takt.vm("busy", load, [busy], "mode=matmul"),
                                                    takt.vm("rest", load, [libtakt.on_core(0)], "mode=matmul")))


def rows(answer):
    header, *lines = answer.splitlines()
    return [dict(zip(header.split(), line.split())) for line in lines]


def share_of_busy(takt, more):
    """What it used of a second or more, in percent."""
    with takt.boot(system(takt, libtakt.reserved(0, 3000, 10000) + more), 240, icount=True, cores=1) as console:
        console.expect_vm("sleeper", r"rtprobe: .*\n", 60)
        console.monitor("vcpus", 60)  # counts from here on
        console.expect_vm("sleeper", r"rtprobe: .*\n", 90)
        vcpus, misses, promises = (console.monitor(command, 60) for command in ("vcpus", "misses", "promises"))
        assert ("  reclaims" in console.text) == bool(more)
    assert [row.own for row in takt_console.budget_rows(misses)] == [0, 0], misses
    assert "misses: 0 own, 0 platform" in misses
    sleeper = rows(promises)[0]
    assert int(sleeper["checked"]) > 80 and (sleeper["own"], sleeper["platform"]) == ("0", "0"), promises
    return next(float(row["used"].rstrip("%")) for row in rows(vcpus) if row["vm"] == "busy")


def test_who_reclaims_runs_longer_and_nobody_is_late(takt):
    """Alone beside who never wants his 40 % it would have 30 of each 60."""
    assert 40 < share_of_busy(takt, "reclaim;") < 50


def test_who_does_not_has_its_budget(takt):
    assert 29 < share_of_busy(takt, "") < 31


def test_it_is_refused_where_it_could_make_somebody_late(takt):
    load = takt.program("matmul")
    early = libtakt.reserved(0, 200, 1000, 900)
    result = takt.check(takt.write("early.dts", libtakt.system(
        takt.vm("early", load, [early]), takt.vm("busy", load, [libtakt.reserved(0, 3000, 10000) + "reclaim;"]))), cores=1)
    assert result.returncode == 1
    assert "/vms/busy/vcpus/vcpu@0:reclaim" in result.stdout and "has a deadline before its period ends" in result.stdout

# SPDX-License-Identifier: Apache-2.0
"""The trace of a running system: recorded, got out, held against the scheduler's promises, and read by others."""
import json
import re
import subprocess
import sys

import libtakt
import pytest
import takt_trace
import trace_check
import trace_system

pytestmark = pytest.mark.boards("qemu-arm64", "qemu-x86")


@pytest.fixture
def pair(takt):
    """A sleeper and a load that never waits, both reserved."""
    return takt.write("pair.dts", libtakt.system(
        takt.vm("rt", takt.program("rtprobe"), [libtakt.reserved(0)], "mode=probe"),
        takt.vm("load", takt.program("matmul"), [libtakt.reserved(0, 5000, 10000)], "quiet")))


def recorded(takt, system, *options):
    base = takt.folder / "pair"
    result = subprocess.run([sys.executable, "scripts/trace_system.py", "--board", takt.board, "--cores", "1", "--hypervisor",
                             str(takt.hypervisor), "--out", str(base), *options, str(system)],
                            cwd=libtakt.ROOT, capture_output=True, text=True, timeout=300, check=False)
    return base, result


def count_of(trace, kind, vcpu):
    return sum(event.kind == kind and trace.name(event.who) == vcpu for event in trace.events)


def test_a_recorded_system_keeps_its_promises(takt, pair):
    base, result = recorded(takt, pair, "--seconds", "0.4", "--check")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "0 breaches" in result.stdout
    text = base.with_suffix(".trace.txt").read_text(encoding="utf-8")
    trace = takt_trace.parse(text)
    assert trace.lost == [0] and trace.us(trace.end) > 300_000
    # What happened is in it: the load's budget ends and comes back each period, the sleeper wakes by its timer.
    assert count_of(trace, "exhausted", "load/0") >= 25 and count_of(trace, "activation", "load/0") >= 25
    assert count_of(trace, "wake", "rt/0") >= 30 and count_of(trace, "inject", "rt/0") >= 30
    assert count_of(trace, "exit", "rt/0") >= count_of(trace, "block", "rt/0") > 0
    assert {event.kind for event in trace.events} >= {"on", "off", "start", "dispatch", "wake", "block"}
    load = next(vcpu for vcpu in trace.vcpus.values() if vcpu.name == "load/0")
    assert (load.budget, load.deadline, load.period) == (5000, 10000, 10000)
    assert len(list(trace_check.windows(trace, load))) > 100  # the check had something to look at

    events = json.loads(base.with_suffix(".trace.json").read_text(encoding="utf-8"))["traceEvents"]
    shown = [event for event in events if event["ph"] != "M"]
    listed = subprocess.run(["babeltrace2", base.with_suffix(".trace.ctf")], capture_output=True, text=True, check=True)
    assert len(shown) == len(listed.stdout.splitlines()) == len(trace.events)
    assert base.with_suffix(".trace.svg").read_text(encoding="utf-8").count("<rect") > 100

    # The same trace with one of the load's turns taken away: the check is not blind.
    turns = [run for run in trace.runs(0) if trace.name(run.who) == "load/0" and run.supply > trace.ticks(4000)]
    stolen = turns[len(turns) // 2]
    idle = re.sub(rf"{stolen.begin:016x}([0-9a-f]{{24}})03{stolen.who:02x}", rf"{stolen.begin:016x}\g<1>03ff", text, count=1)
    assert idle != text
    broken = takt.write("broken.txt", idle)
    result = subprocess.run([sys.executable, "scripts/trace_system.py", "--dump", str(broken), "--check", "--out",
                             str(takt.folder / "broken")], cwd=libtakt.ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1 and "its reservation promises" in result.stdout, result.stdout + result.stderr


def sleepers(takt, root):
    """Two VMs that wait nearly all the time, which virtual time skips."""
    return takt.write("sleepers.dts", libtakt.system(
        takt.vm("rt", takt.program("rtprobe"), [libtakt.reserved(0)], "mode=probe"),
        takt.vm("other", takt.program("rtprobe"), [libtakt.reserved(0)], "mode=idle"), root=root))


def test_the_monitor_switches_it(takt):
    with takt.boot(sleepers(takt, "trace-records = <256>;"), 180, cores=2, icount=True) as console:
        console.expect_vm("rt", r"count \d+", 60)
        rows = [line.split() for line in console.monitor("trace").splitlines()[1:]]
        assert [row[:3] for row in rows] == [["0", "off", "0"], ["1", "off", "0"]]
        assert "trace is on" in console.monitor("trace on")
        console.expect_vm("rt", r"count \d+", 60)
        assert "trace is off" in console.monitor("trace off")
        trace = takt_trace.parse(trace_system.dump(console, 60))
        # It has gone round: the newest are there, the others counted.
        assert len(trace.of_core[0]) == 255 and trace.lost[0] > 0 and trace.of_core[0][-1].kind == "off"
        assert [event.kind for event in trace.of_core[1]][0] == "on" and trace.lost[1] == 0
        assert "does not know 'of'" in console.monitor("trace of")
        assert console.quit() == 0


def test_without_records_it_says_what_to_do(takt):
    with takt.boot(sleepers(takt, ""), 120, cores=1, icount=True) as console:
        assert "give the system `trace-records`" in console.monitor("trace on")


def test_a_report_says_what_was_promised_and_seen(takt):
    result = subprocess.run([sys.executable, "scripts/report_system.py", "--board", takt.board, "--cores", "1", "--hypervisor",
                             str(takt.hypervisor), "--seconds", "0.2", "--out", str(takt.folder / "report"),
                             f"boards/{takt.board}/report.dts"], cwd=libtakt.ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    written = (takt.folder / "report.html").read_text(encoding="utf-8")
    for said in ("Everything that was promised was kept.", "rtprobe/0", "More than asked for, ", "Who ran when", "No breach in "):
        assert said in written

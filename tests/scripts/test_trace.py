# SPDX-License-Identifier: Apache-2.0
"""Reading a trace, holding it against the scheduler's promises, and writing it for others, on made-up records."""
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree

import pytest
import takt_console
import takt_trace
import trace_check
import trace_system
import trace_write

RT, LOAD = 0, 8
NOBODY, THREAD, NEVER = takt_trace.NOBODY, takt_trace.THREAD, takt_trace.NEVER
US = 1000  # ticks


def record(us, kind, who=NOBODY, detail=0, value=0, other=NOBODY):
    return f"{us * US:016x}{value:016x}{detail:08x}{takt_trace.KINDS.index(kind):02x}{who:02x}{other:02x}00"


def dispatch(us, who, other, deadline_us=None, taken=0):
    return record(us, "dispatch", who, taken, NEVER if deadline_us is None else deadline_us * US, other)


def text(*cores, lost=0, hz=1_000_000_000):
    """A dump: rt/0 has 200 us in 1000, deadline 500; load/0 has 500 us in every 1000; both on core 0."""
    lines = ["[rt] before", f"trace-begin 1 {hz} {len(cores)}", "trace-vcpu 0 rt 0 0 200 500 1000",
             "trace-vcpu 8 load 0 0 500 1000 1000", "trace-vcpu 16 idle-vm 0 0 0 0 0"]
    for number, records in enumerate(cores):
        for at in range(0, len(records), 3):
            lines += [f"t{number} " + " ".join(records[at:at + 3]), "[load] a line of a guest"]
        count = sum(one != "-" for one in records)
        lines.append(f"trace-core {number} {count + lost} {lost}")
    return "\n".join([*lines, "trace-end", "takt> "])


def good(begin=1000):
    """Three periods of load/0, which never waits, and of rt/0, which sleeps 1 ms at a time."""
    records = [record(begin, "on"), record(begin, "start", LOAD), record(begin, "activation", LOAD, 500 * US, begin * US)]
    runs = NOBODY
    for period in range(begin, begin + 3000, 1000):
        if period > begin:
            records.append(record(period, "activation", LOAD, 500 * US, period * US))
        records += [record(period, "wake", RT, 0, period * US), record(period, "activation", RT, 200 * US, period * US),
                    dispatch(period, RT, runs, period + 500), record(period, "inject", RT, takt_trace.OWN_TIMER, 700),
                    record(period + 100, "exit", RT, takt_trace.EXITS.index("wait"), (period + 99) * US),
                    record(period + 100, "block", RT, 0, (period + 100) * US), dispatch(period + 100, LOAD, RT, period + 1000),
                    record(period + 600, "exhausted", LOAD, 0, (period + 1000) * US), dispatch(period + 600, NOBODY, LOAD)]
        runs = NOBODY
    return [*records, record(begin + 3000, "off")]


def breaches(records, *others):
    return trace_check.check(takt_trace.parse(text(records, *others)))


# ---- reading ---------------------------------------------------------------------------------------------------------
def test_a_dump_is_read():
    trace = takt_trace.parse(text(good()))
    assert trace.hz == 10**9 and trace.cores == 1 and trace.lost == [0]
    assert trace.vcpus[RT] == takt_trace.Vcpu(RT, "rt", 0, 0, 200, 500, 1000)
    assert len(trace.events) == len(good())
    assert trace.events[0] == takt_trace.Event(0, 1000 * US, "on", NOBODY, NOBODY, 0, 0)
    first, second, *_ = trace.runs(0)
    assert (first.who, first.begin, first.end, first.supply) == (RT, 1000 * US, 1100 * US, 100 * US)
    assert (second.who, second.begin, second.end, second.deadline) == (LOAD, 1100 * US, 1600 * US, 2000 * US)
    assert all(takt_trace.describe(trace, event) for event in trace.events)


def test_the_last_dump_of_a_console_counts():
    assert len(takt_trace.parse(text(good()) + "\n" + text(good()[:4])).events) == 4


def test_what_interrupts_of_others_took_is_no_supply():
    trace = takt_trace.parse(text([dispatch(0, RT, NOBODY, 500, 0xFFFFFFF0), dispatch(100, NOBODY, RT, None, 0x10)]))
    assert trace.runs(0)[0].supply == 100 * US - 0x20


def test_nothing_is_known_across_a_gap():
    trace = takt_trace.parse(text([dispatch(0, RT, NOBODY, 500), "-", dispatch(90, LOAD, RT, 900), dispatch(95, RT, LOAD, 500)], lost=2))
    assert [run.who for run in trace.runs(0)] == [LOAD] and trace.lost == [2]


def test_who_runs_when_the_trace_ends_has_run():
    trace = takt_trace.parse(text([record(0, "start", LOAD), record(0, "activation", LOAD, 500 * US), dispatch(0, LOAD, NOBODY),
                                   record(5000, "exit", LOAD), record(9000, "off")], [dispatch(0, RT, NOBODY), record(70, "exit", RT), "-"], lost=0))
    assert [(run.who, run.end) for core in (0, 1) for run in trace.runs(core)] == [(LOAD, 9000 * US), (RT, 70 * US)]
    assert not trace_check.check(trace)


@pytest.mark.parametrize("change, said", [
    (lambda dump: "", "no line 'trace-begin'"),
    (lambda dump: dump.replace("trace-begin 1", "trace-begin 7"), "version 7"),
    (lambda dump: dump.replace("trace-end", "trace"), "no 'trace-end'"),
    (lambda dump: dump.replace("trace-begin 1 1000000000", "trace-begin 1 0"), "frequency of 0"),
    (lambda dump: dump.replace("rt 0 0 200", "rt 0 0"), "seven words"),
    (lambda dump: dump.replace("rt 0 0 200", "rt 0 0 x"), "numbers should stand there"),
    (lambda dump: dump.replace("t0 0", "t0 ", 1), "no record"),
    (lambda dump: dump.replace("t0 ", "t5 ", 1), "there are 1 cores"),
    (lambda dump: re.sub(r"(?m)^t0 .*\n", "", dump, count=1), "lines are missing"),
    (lambda dump: dump.replace("ffff00", "05ff00", 1), "about VCPU 5"),
    (lambda dump: dump.replace("01ffff00", "63ffff00", 1), "of kind 99"),
    (lambda dump: dump.replace("trace-core 0", "trace-other 0"), "knows no such line"),
    (lambda dump: re.sub(r"trace-core.*\n", "", dump), "0 of 1 cores"),
    (lambda dump: dump.replace("t0 0000000000", "t0 000000ffff", 1), "older than the one before"),
])
def test_a_broken_dump_is_told(change, said):
    with pytest.raises(takt_trace.TraceError, match=re.escape(said)):
        takt_trace.parse(change(text(good())))


# ---- the check -------------------------------------------------------------------------------------------------------
def test_a_good_trace_has_no_breach():
    assert not breaches(good())


def test_the_longest_wait_of_who_wanted_the_core():
    trace = takt_trace.parse(text(good()))
    assert trace_check.longest_wait(trace, trace.vcpus[RT]) == 0
    assert trace_check.longest_wait(trace, trace.vcpus[LOAD]) == 500 * US  # from 1600 to 2100
    assert trace_check.longest_wait(trace, trace.vcpus[16]) is None
    assert not trace_check.cuts_its_budget(trace, trace.vcpus[RT])
    trace = takt_trace.parse(text([record(0, "wake", RT), record(0, "activation", RT, 199 * US)]))
    assert trace_check.cuts_its_budget(trace, trace.vcpus[RT])


def test_the_order_of_deadlines_is_held():
    records = good()
    at = records.index(dispatch(2100, LOAD, RT, 3000))
    # rt/0 wakes again, and load/0 goes on for 400 us
    records[at + 1:at + 1] = [record(2200, "wake", RT, 0, 2200 * US), record(2200, "activation", RT, 100 * US, 2200 * US)]
    breach, *_ = breaches(records)  # then nobody runs, which is one more
    assert breach == "core 0 at 1200.0 us: load/0 runs for 400.0 us while rt/0 has budget and an earlier deadline"


def test_budget_after_its_deadline_is_found():
    records = [record(0, "on"), record(0, "start", RT), record(0, "activation", RT, 200 * US, 0), dispatch(0, THREAD, NOBODY),
               dispatch(10, RT, THREAD, 500), record(10, "exit", RT, 8, 0), record(600, "exhausted", RT, 0, 1000 * US), dispatch(600, NOBODY, RT)]
    assert any("used up its budget 100.0 us after its deadline" in breach for breach in breaches(records))


def test_too_little_supply_in_a_window_is_found():
    # load/0 loses the core at 2200 instead of 2600, and nobody has it.
    records = [one for one in good() if one not in (record(2600, "exhausted", LOAD, 0, 3000 * US), dispatch(2600, NOBODY, LOAD))]
    at = records.index(dispatch(2100, LOAD, RT, 3000))
    records.insert(at + 1, dispatch(2200, NOBODY, LOAD))
    assert any(re.match(r"load/0 had 100.0 us in the 1500.0 us from 600.0 us on, and its reservation promises 500.0", breach)
               for breach in breaches(records))


def test_a_record_that_disagrees_with_the_one_before_is_found():
    records = good()
    at = records.index(dispatch(2100, LOAD, RT, 3000))
    records[at] = dispatch(2100, LOAD, THREAD, 3000)
    assert breaches(records) == ["core 0 at 1100.0 us: follows hypervisor, but rt/0 ran"]


def test_one_vcpu_on_two_cores_is_found():
    other = [record(1000, "on"), dispatch(1050, RT, NOBODY, 1500), dispatch(1150, NOBODY, RT)]
    assert breaches(good(), other) == ["rt/0 runs on cores 0 and 1 at 50.0 us"]


def test_a_miss_that_the_hypervisor_counted_is_found_unless_the_machine_lost_time():
    assert "as the hypervisor itself counted" in breaches([record(0, "on"), record(5, "miss", RT)])[0]
    assert not breaches([record(0, "on"), record(5, "miss", RT, 1)])
    late = breaches([record(0, "on"), record(5, "late", RT, 0, 7 * US)])[0]
    assert "rt/0: its timer came 7.00 us later than promised" in late and "as the hypervisor itself counted" in late
    assert not breaches([record(0, "on"), record(5, "late", RT, 1, 7 * US)])
    assert trace_check.excused(takt_trace.parse(text([record(0, "on"), record(5, "distortion")]))) == 1


@pytest.mark.parametrize("length, least", [(0, 0), (1100, 0), (1150, 50), (1300, 200), (2100, 200), (2200, 300), (11300, 2200)])
def test_the_supply_bound(length, least):
    assert trace_check.supply_bound(length, 200, 500, 1000) == least


# ---- writing ---------------------------------------------------------------------------------------------------------
def test_every_record_is_one_event_for_chrome():
    trace = takt_trace.parse(text(good()))
    events = json.loads(json.dumps(trace_write.chrome(trace)))["traceEvents"]
    shown = [event for event in events if event["ph"] != "M"]
    assert len(shown) == len(trace.events)
    runs = [(event["name"], event["ts"], event["dur"]) for event in shown if event["ph"] == "X"]
    assert runs[:3] == [("rt/0", 0, 100), ("load/0", 100, 500), ("idle", 600, 400)]
    assert {event["args"]["name"] for event in events if event["ph"] == "M"} >= {"core 0", "rt/0", "load/0", "hypervisor", "idle"}


def test_the_chart_is_xml_with_a_lane_for_each_vcpu():
    trace = takt_trace.parse(text(good()))
    chart = trace_write.gantt_of(trace, "A & B")
    names = "".join(xml.etree.ElementTree.fromstring(chart).itertext())
    for name in ("core 0", "rt/0", "load/0", "idle-vm/0"):
        assert name in names


@pytest.mark.skipif(shutil.which("babeltrace2") is None, reason="babeltrace2 is not installed; 'make setup' brings it")
def test_babeltrace_reads_what_is_written(tmp_path):
    trace = takt_trace.parse(text(good(), [], good(), lost=3))
    trace_write.write_ctf(trace, tmp_path / "ctf")
    listed = subprocess.run(["babeltrace2", "--clock-cycles", tmp_path / "ctf"], capture_output=True, text=True, check=True)
    lines = listed.stdout.splitlines()
    assert len(lines) == len(trace.events)
    assert "discarded" in listed.stderr  # what was lost
    assert re.search(rf"\[0*{1000 * US}\].* dispatch: .*cpu_id = 0.*rt/0", listed.stdout)


def test_a_dump_from_elsewhere_is_converted(tmp_path, monkeypatch, capsys):
    log = tmp_path / "console.log"
    log.write_text(text(good()).replace("\n", "\r\n"), encoding="ascii")
    monkeypatch.setattr(trace_system.sys, "argv", ["trace_system.py", "--dump", str(log), "--check", "--out", str(tmp_path / "mine")])
    assert trace_system.main() == 0
    assert "0 breaches" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} >= {"mine.trace.json", "mine.trace.svg", "mine.trace.ctf"}
    log.write_text(text([record(0, "on"), record(5, "miss", RT)]), encoding="ascii")
    assert trace_system.main() == 1
    assert "BREACH: " in capsys.readouterr().out


class SlowConsole:
    """Gives a dump in pieces of one size, as a terminal does that is read as fast as it writes."""

    def __init__(self, printed, size):
        self.pieces = [printed[at:at + size] for at in range(0, len(printed), size)]

    def open_monitor(self):
        pass

    def type_line(self, line):
        assert line == "trace dump"

    def read_raw(self, _seconds):
        return self.pieces.pop(0) if self.pieces else None

    def tail(self):
        return "(nothing)"


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 1000])
def test_a_dump_may_come_in_small_pieces(size):
    came = takt_trace.parse(trace_system.dump(SlowConsole(text(good()), size)))
    assert came.events == takt_trace.parse(text(good())).events


def test_a_dump_that_ends_early_is_told():
    with pytest.raises(takt_console.ConsoleError, match="did not come to its end"):
        trace_system.dump(SlowConsole(text(good()).replace("trace-end", "trace-en"), 4))

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a system once, traced, and writes one HTML page about it: what was promised, and what was seen.

    report_system.py [machine options] --hypervisor takt.Image [--seconds S] [--records N] [--experiments DIR] --out BASE SYSTEM.dts

Writes BASE.report.html, without anything from outside, and what trace_system.py writes. Every figure of the page stands on it
as text, too. The page ends with what the experiments gave whose results are in DIR. Exit status 1 when something was promised
and not kept in this run.
"""
import argparse
import pathlib
import statistics
import sys

import bench
import chart
import experiments_page
import machine
import page
import takt_console
import takt_trace
import trace_check
import trace_system
import trace_write

SLEPT = 1 << 63       # marks the second of rtprobe's two (guests/rtprobe/probe.c)
COMMANDS = ("vcpus", "timers", "misses", "cpus")
GANTT_PERIODS = 4     # of the longest reservation, so many are drawn


def rows_of(answer):
    """The rows of a monitor's table by (vm, vcpu), as {column: text}."""
    head, *lines = [line.split() for line in answer.splitlines() if line.strip()]
    return {tuple(line[:2]): dict(zip(head, line)) for line in lines if len(line) == len(head)}


def microseconds(trace, ticks):
    return "-" if ticks is None else f"{ticks * 1e6 / trace.hz:,.2f}"


def lateness(trace, vcpu):
    """How late its timer's interrupts were delivered, us, of those that needed the hypervisor."""
    return [event.value * 1e6 / trace.hz for event in trace.events
            if event.kind == "inject" and event.who == vcpu.number and event.detail == takt_trace.OWN_TIMER]


def sleeps(trace, vcpu):
    """(requested, slept) in ns, of a guest that marks them."""
    found, asked = [], None
    for event in trace.events:
        if event.kind == "mark" and event.who == vcpu.number:
            if event.value & SLEPT and asked is not None:
                found.append((asked, event.value & ~SLEPT))
            asked = None if event.value & SLEPT else event.value
    return found


# ---- the page's sections ---------------------------------------------------------------------------------------------
def admission(promises):
    if not promises:
        return page.section("Admission", page.paragraph("No VCPU of this system has a reservation."))
    columns = list(next(iter(promises.values())))
    rows = [[promise[column] for column in ("vm", *(name for name in columns if name != "vm"))] for promise in promises.values()]
    return page.section("Admission", page.table(["vm", *(name for name in columns if name != "vm")], rows, numbers=set(range(1, len(columns))),
                                                caption="What the hypervisor printed before it started anything."))


def kept(trace, promises, answers):
    """Promise beside worst observed; also whether each was kept."""
    misses, rows, good = rows_of(answers["misses"]), [], True
    for vcpu in trace.vcpus.values():
        key = (vcpu.vm, str(vcpu.index))
        worst = trace_check.longest_wait(trace, vcpu)
        late = lateness(trace, vcpu)
        promise = promises.get(key, {}).get("blackout-us", "")
        own = misses.get(key, {}).get("own", "-")
        if promise.isdigit():
            most = vcpu.period + vcpu.deadline if trace_check.cuts_its_budget(trace, vcpu) else int(promise)
            good = good and own in ("0", "-") and (worst is None or worst * 1e6 / trace.hz <= most)
        rows.append([vcpu.name, promise or "-", microseconds(trace, worst), f"{max(late):,.2f}" if late else "-",
                     misses.get(key, {}).get("activations", "-"), own, misses.get(key, {}).get("platform", "-")])
    head = ["VCPU", "promised: longest wait, us", "worst seen: wait, us", "worst seen: timer's interrupt late, us",
            "activations", "misses, own", "misses, machine's"]
    return good, page.section("Promise and worst observed", page.table(head, rows, numbers=set(range(1, 7))),
                              page.paragraph("Without a reservation nothing is promised; who cuts its budget into pieces by waiting within its "
                                             "turns may wait T + D for the next. Wait and lateness are from the trace; activations and misses are what the hypervisor counted since it started.", quiet=True))


def figures(values, unit):
    ordered = sorted(values)
    return (f"{len(values)} samples: least {ordered[0]:,.2f}, mean {statistics.fmean(values):,.2f}, 99th percentile "
            f"{ordered[(len(values) * 99 + 99) // 100 - 1]:,.2f}, greatest {ordered[-1]:,.2f} {unit}")


def late_timers(trace):
    parts = []
    for vcpu in trace.vcpus.values():
        late = lateness(trace, vcpu)
        if late:
            text = figures(late, "us")
            columns = [[f"{low:,.6g} to {high:,.6g}", count] for low, high, count in chart.columns_of(late) if count]
            parts.append(page.subsection(vcpu.name, page.paragraph(text), chart.histogram(late, "us late", f"Lateness of {vcpu.name}: {text}"),
                                         page.folded("The same as a table", page.table(["us", "how often"], columns, numbers={1}))))
    return page.section("How late timers' interrupts were delivered", *(parts or [page.paragraph("None was, while the trace was on.")]))


def slept(trace):
    parts = []
    for vcpu in trace.vcpus.values():
        pairs = sleeps(trace, vcpu)
        if pairs:
            beyond = [(got - asked) / 1000 for asked, got in pairs]
            points = [(asked / 1e6, got / 1e6, f"{asked / 1e6:.4f} ms asked for, {got / 1e6:.4f} ms slept") for asked, got in pairs]
            over = [(asked / 1e6, late, f"{asked / 1e6:.4f} ms asked for, {late:.2f} us more") for (asked, _), late in zip(pairs, beyond)]
            table = page.table(["asked for, ms", "slept, ms", "more, us"],
                               [[f"{a / 1e6:.4f}", f"{g / 1e6:.4f}", f"{(g - a) / 1000:.2f}"] for a, g in pairs], numbers={0, 1, 2})
            parts.append(page.subsection(
                vcpu.name, page.paragraph("More than asked for, " + figures(beyond, "us")),
                chart.scatter(points, "asked for, ms", "slept, ms", f"{vcpu.name}: sleeps as asked for and as slept"),
                chart.scatter(over, "asked for, ms", "more, us", f"{vcpu.name}: how much longer than asked for"),
                page.folded("The same as a table", table)))
    return page.section("Sleeps: asked for and slept", *(parts or [page.paragraph(
        "No guest marked its sleeps; rtprobe does with marks=1 among its boot arguments.")]))


def who_ran(trace):
    longest = max((vcpu.period for vcpu in trace.vcpus.values()), default=0) or 10_000
    begin = max(0, trace.us(trace.end) - GANTT_PERIODS * longest)
    drawn = trace_write.gantt_of(trace, "Who ran when", begin)
    rows = [[f"{bar[1]:.1f}", f"{bar[2]:.1f}", bar[0], bar[3]] for bar in trace_write.bars(trace)
            if bar[1] >= begin and bar[0].startswith("core ")]
    return page.section("Who ran when", page.paragraph(f"The last {(trace.us(trace.end) - begin) / 1000:.1f} ms; marks are wake-ups."), drawn,
                        page.folded("The same as a table", page.table(["from, us", "to, us", "core", "VCPU"], rows, numbers={0, 1})))


def experiments_of(folder, hypervisor):
    """Sections of what experiments gave before; this run's verdict is not theirs."""
    try:
        verdict, missing, parts = experiments_page.sections(folder, hypervisor)
    except experiments_page.PageError as unreadable:
        return [page.section("Experiments", page.verdict(False, str(unreadable)))]
    told = "What they ask, and what they say of both sides: docs/experiments.md."
    return [page.section("Experiments", *([page.verdict(*verdict)] if parts else []), page.paragraph(told), *([experiments_page.not_run(missing)] if missing else [])), *parts]


def document(trace, text, answers, system, more=()):
    """The page, and whether all that was promised was kept. `more`: sections that follow."""
    promises = bench.parse_promises(text)
    breaches = trace_check.check(trace)
    good, table = kept(trace, promises, answers)
    good = good and not breaches
    found = (page.paragraph(f"No breach in {len(trace.events):,} records of {trace.us(trace.end) / 1000:,.1f} ms; {sum(trace.lost):,} records were "
                            f"overwritten before, and the machine lost time {trace_check.excused(trace)} times.")
             if not breaches else page.bullets(breaches))
    return good, page.document(f"Takt: {system}", [
        page.verdict(good, "Everything that was promised was kept." if good else "Something that was promised was not kept."),
        admission(promises), table,
        page.section("The trace against the scheduler's rules", found), late_timers(trace), slept(trace), who_ran(trace),
        page.section("The monitor's tables", *(page.folded(command, page.preformatted(answer)) for command, answer in answers.items())), *more])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    trace_system.add_arguments(parser)
    parser.add_argument("--experiments", type=pathlib.Path, help="where results of experiments are, for the end of the page")
    args = parser.parse_args()
    if not (args.hypervisor and args.system):
        parser.error("give --hypervisor and the system description")
    args.icount = True
    dumped, answers, console = trace_system.record(args, COMMANDS)
    trace = takt_trace.parse(dumped)
    trace_system.write(trace, args.out, f"Trace of {args.out.name}")
    more = experiments_of(args.experiments, pathlib.Path(args.hypervisor)) if args.experiments else []
    good, text = document(trace, console, answers, pathlib.Path(args.system).stem, more)
    path = args.out.with_name(args.out.name + ".report.html") if args.out.name != "report" else args.out.with_name("report.html")
    path.write_text(text, encoding="utf-8")
    print(f"{path}: {'everything that was promised was kept' if good else 'something that was promised was not kept'}")
    return 0 if good else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (takt_trace.TraceError, takt_console.ConsoleError, machine.MachineError, OSError) as failure:
        print(f"report: {failure}", file=sys.stderr)
        sys.exit(2)

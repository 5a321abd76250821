# SPDX-License-Identifier: Apache-2.0
"""Holds a trace against what the scheduler promises (docs/scheduling.md), window by window.

    breaches = trace_check.check(trace)     each a sentence with core, VCPU and instant; [] is good

- One VCPU on a core at once, and no VCPU on two; each record agrees with the one before it.
- EDF: nobody runs for longer than TOLERANCE_US while another VCPU of the core has budget and an earlier deadline.
- An activation that its VCPU did not cut short by waiting has used up its budget by its deadline.
- Supply: in every window of a VCPU that wanted to run all the while, at least what its reservation supplies in any window of that
  length (Shin & Lee 2003; Easwaran, Anand & Lee 2007). Looked at where each of its activations had a whole budget, since
  one that cuts its budget into pieces gets it back in pieces; and up to WINDOW_PERIODS periods.

What follows a moment in which the machine itself lost time is no breach of ours, and counted: excused(trace).
"""
import bisect
import dataclasses

import takt_trace

TOLERANCE_US = 20   # what a decision may take from the event that asks for it: masked sections, a switch
WINDOW_PERIODS = 100


def supply_bound(length, budget, deadline, period):
    """The least supply in any window of this length; all in one unit."""
    start = length - (period + deadline - 2 * budget)  # beyond the blackout
    if start <= 0:
        return 0
    whole, rest = divmod(start, period)
    return whole * budget + min(rest, budget)


def excused(trace):
    return sum(event is not None and event.kind == "distortion" for core in trace.of_core for event in core)


# ---- the order of things on one core ---------------------------------------------------------------------------------
class Core:
    """What the records say so far of one core; add() returns breaches."""

    def __init__(self, trace, number):
        self.trace, self.number = trace, number
        self.tolerance = trace.ticks(TOLERANCE_US)
        self.forget()

    def forget(self):
        """After a gap nothing is known until a record says it."""
        self.runs, self.deadline = None, takt_trace.NEVER
        self.ready = {}  # absolute deadline of each open activation
        self.wrong_since = None

    def at(self, time):
        return f"core {self.number} at {self.trace.us(time):.1f} us"

    def add(self, event):
        if event is None or event.kind in ("on", "off", "distortion"):
            self.forget()
            return []
        breaches = list(self.late_order(event.time)) if event.kind == "dispatch" else []
        breaches += getattr(self, event.kind, lambda _: [])(event)
        urgent = min(self.ready, key=self.ready.get, default=None)
        wrong = self.runs is not None and urgent not in (None, self.runs) and self.ready[urgent] < self.deadline
        if not wrong:
            self.wrong_since = None
        elif self.wrong_since is None:
            self.wrong_since = event.time, urgent
        return breaches

    def late_order(self, time):
        if self.wrong_since and time - self.wrong_since[0] > self.tolerance:
            since, urgent = self.wrong_since
            yield (f"{self.at(since)}: {self.trace.name(self.runs)} runs for {(time - since) * 1e6 / self.trace.hz:.1f} us while "
                   f"{self.trace.name(urgent)} has budget and an earlier deadline")

    def dispatch(self, event):
        found = []
        if self.runs is not None and event.other != self.runs:
            found.append(f"{self.at(event.time)}: follows {self.trace.name(event.other)}, but {self.trace.name(self.runs)} ran")
        self.runs, self.deadline = event.who, event.value
        return found

    def activation(self, event):
        vcpu = self.trace.vcpus[event.who]
        if vcpu.budget:
            self.ready[event.who] = event.value + self.trace.ticks(vcpu.deadline)
        return []

    def end(self, event, counts):
        deadline = self.ready.pop(event.who, None)
        if counts and deadline is not None and event.time > deadline + self.tolerance:
            return [f"{self.at(event.time)}: {self.trace.name(event.who)} used up its budget "
                    f"{(event.time - deadline) * 1e6 / self.trace.hz:.1f} us after its deadline"]
        return []

    def exhausted(self, event):
        return self.end(event, True)

    def block(self, event):
        return self.end(event, False)

    def stop(self, event):
        return self.end(event, False)

    def miss(self, event):
        return [] if event.detail else [f"{self.at(event.time)}: {self.trace.name(event.who)} had its budget too late, as the "
                                        "hypervisor itself counted"]

    def late(self, event):
        return [] if event.detail else [f"{self.at(event.time)}: {takt_trace.describe(self.trace, event)}, as the hypervisor "
                                        "itself counted"]


def order(trace):
    for number, events in enumerate(trace.of_core):
        core = Core(trace, number)
        for event in events:
            yield from core.add(event)
        yield from core.late_order(trace.end)


def twice(trace):
    """VCPUs that ran in two places at once."""
    runs = sorted((run for core in range(trace.cores) for run in trace.runs(core) if run.who in trace.vcpus),
                  key=lambda run: (run.who, run.begin))
    for one, other in zip(runs, runs[1:]):
        if one.who == other.who and other.begin < one.end:
            yield f"{trace.name(one.who)} runs on cores {one.core} and {other.core} at {trace.us(other.begin):.1f} us"


# ---- supply ----------------------------------------------------------------------------------------------------------
def wanting(trace, vcpu):
    """(begin, end) of the times in which it wanted to run all the while and had whole budgets."""
    budget = trace.ticks(vcpu.budget)
    for core in trace.of_core:
        since = last = None
        for event in (*core, None):  # as if a gap came at the end
            ends = event is None or event.kind in ("on", "off", "distortion")
            if since is not None and (ends or (event.who == vcpu.number and event.kind in ("block", "stop"))):
                yield since, last if ends else event.time
                since = None
            if ends:
                continue
            last = event.time
            if event.who == vcpu.number and event.kind in ("wake", "start"):
                since = event.time
            elif event.who == vcpu.number and event.kind == "activation" and event.detail < budget and since is not None:
                yield since, last
                since = None


class Supply:
    """How much a VCPU had up to a time."""

    def __init__(self, runs):
        self.runs = runs
        self.begins = [run.begin for run in runs]
        self.sums = [0]
        for run in runs:
            self.sums.append(self.sums[-1] + run.supply)

    def until(self, time):
        at = bisect.bisect_right(self.begins, time)
        if at == 0:
            return 0
        last = self.runs[at - 1]
        return self.sums[at] - (last.supply * (last.end - time) // (last.end - last.begin) if time < last.end else 0)


def windows(trace, vcpu):
    """Every window that can be the worst: from where it lost the core, or began to want it, to where it got it."""
    supply = Supply([run for core in range(trace.cores) for run in trace.runs(core) if run.who == vcpu.number])
    longest = WINDOW_PERIODS * trace.ticks(vcpu.period)
    for begin, end in wanting(trace, vcpu):
        inside = [run for run in supply.runs if run.end > begin and run.begin < end]
        starts = [begin, *(run.end for run in inside if run.end < end)]
        ends = [*(run.begin for run in inside if run.begin > begin), end]
        for start in starts:
            before = supply.until(start)
            for stop in ends[bisect.bisect_right(ends, start):bisect.bisect_right(ends, start + longest)]:
                yield start, stop, supply.until(stop) - before


def short(trace, vcpu):
    reservation = [trace.ticks(us) for us in (vcpu.budget, vcpu.deadline, vcpu.period)]
    for start, stop, had in windows(trace, vcpu):
        wanted = supply_bound(stop - start, *reservation)
        if had < wanted:
            yield (f"{vcpu.name} had {had * 1e6 / trace.hz:.1f} us in the {(stop - start) * 1e6 / trace.hz:.1f} us from "
                   f"{trace.us(start):.1f} us on, and its reservation promises {wanted * 1e6 / trace.hz:.1f}")
            return  # the first says enough: its neighbours are short as well


def check(trace):
    found = [*order(trace), *twice(trace)]
    for vcpu in trace.vcpus.values():
        if vcpu.budget:
            found += short(trace, vcpu)
    return found


# ---- what a report tells ---------------------------------------------------------------------------------------------
def longest_wait(trace, vcpu):
    """Ticks that it wanted the core and did not have it, the longest such time that is whole in the trace; None: there is none."""
    longest, wants, since = None, False, None
    for event in trace.of_core[vcpu.core]:
        if event is None or event.kind in ("on", "off"):
            wants, since = False, None
        elif event.kind == "dispatch" and event.who == vcpu.number:
            longest = longest if since is None else max(longest or 0, event.time - since)
            wants, since = True, None
        elif event.kind == "dispatch" and wants and since is None:
            since = event.time
        elif event.who == vcpu.number and event.kind in ("wake", "start"):
            wants, since = True, event.value or event.time
        elif event.who == vcpu.number and event.kind in ("block", "stop"):
            wants, since = False, None
    return longest


def cuts_its_budget(trace, vcpu):
    """It got budget in pieces, since it blocked within its turns: it may wait up to T + D for the next (docs/scheduling.md)."""
    budget = trace.ticks(vcpu.budget)
    return any(event and event.kind == "activation" and event.who == vcpu.number and event.detail < budget
               for event in trace.of_core[vcpu.core])

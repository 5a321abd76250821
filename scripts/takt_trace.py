# SPDX-License-Identifier: Apache-2.0
"""A dump of the trace, read: what the monitor's `trace dump` prints (docs/tracing.md, kernel/trace.h).

    trace = takt_trace.parse(text)      TraceError: where the dump is broken, and what to do
    for event in trace.events: ...      all cores, by time
    for run in trace.runs(core): ...    who had the core when

Times are ticks of the counter, trace.hz of them in a second; trace.us(ticks) is microseconds since the first record.
"""
import collections
import dataclasses
import functools
import re

VERSION = 1
NOBODY, THREAD = 0xFF, 0xFE
NEVER = (1 << 64) - 1
OWN_TIMER = 0xFFFF
# The numbers of enum trace_kind, exit_reason and vm_end.
KINDS = ("none", "on", "off", "dispatch", "wake", "block", "start", "stop", "activation", "exhausted", "miss", "inject", "exit",
         "mark", "distortion", "migrate", "late")
EXITS = ("other", "ipi", "device-irq", "vtimer", "maintenance", "hypercall", "firmware", "wait", "sysreg", "mmio", "undefined", "abort")
CAUSES = ("timer", "interrupt")

RECORD = re.compile(r"[0-9a-f]{48}")
LINE = re.compile(r"(?m)^(trace-[a-z]+|t\d+)\b(.*)$")

Event = collections.namedtuple("Event", "core time kind who other detail value")
# Supply: ticks of it that no interrupt of somebody else took.
Run = collections.namedtuple("Run", "core who begin end deadline supply")


class TraceError(Exception):
    """What is wrong with the dump, and what to do."""


@dataclasses.dataclass(frozen=True)
class Vcpu:
    number: int
    vm: str
    index: int
    core: int
    budget: int  # of its reservation as described, us; 0: best effort
    deadline: int
    period: int

    @property
    def name(self):
        return f"{self.vm}/{self.index}"


@dataclasses.dataclass
class Trace:
    hz: int
    cores: int
    vcpus: dict = dataclasses.field(default_factory=dict)
    of_core: list = dataclasses.field(default_factory=list)  # events of each, in order; None where some are missing
    lost: list = dataclasses.field(default_factory=list)

    @property
    def events(self):
        return sorted((event for core in self.of_core for event in core if event), key=lambda event: event.time)

    @functools.cached_property
    def start(self):
        return min((event.time for core in self.of_core for event in core if event), default=0)

    @functools.cached_property
    def end(self):
        return max((event.time for core in self.of_core for event in core if event), default=0)

    def us(self, time):
        return (time - self.start) * 1e6 / self.hz

    def ticks(self, us):
        return us * self.hz // 1_000_000

    def name(self, number):
        return {NOBODY: "idle", THREAD: "hypervisor"}.get(number) or self.vcpus[number].name

    def runs(self, core):
        """Who had the core from when to when, from DISPATCH to DISPATCH, or to the last that is known: before a gap and at the
        end, where what interrupts took is not."""
        found, begun, last = [], None, None

        def close(end, taken):
            if begun and begun.who != NOBODY and end > begun.time:
                found.append(Run(core, begun.who, begun.time, end, begun.value, max(end - begun.time - taken, 0)))

        for event in (*self.of_core[core], None):
            if event is None or event.kind in ("on", "off"):
                if begun:
                    close(event.time if event else last, 0)
                begun = None
            elif event.kind == "dispatch":
                if begun:
                    close(event.time, event.detail - begun.detail & 0xFFFFFFFF)
                begun = event
            last = event.time if event else last
        return found


# ---- reading ---------------------------------------------------------------------------------------------------------
def numbers(words, count, line):
    if len(words) != count or not all(word.isdigit() for word in words):
        raise TraceError(f"'{line}': {count} numbers should stand there; dump again, and give the console's text as it came")
    return [int(word) for word in words]


def read_record(trace, core, text):
    if not RECORD.fullmatch(text):
        raise TraceError(f"core {core}: '{text}' is no record, which has 48 hexadecimal digits; dump again")
    data = int(text, 16)
    kind, who, other = data >> 24 & 0xFF, data >> 16 & 0xFF, data >> 8 & 0xFF
    if not 0 < kind < len(KINDS):
        raise TraceError(f"core {core}: '{text}' is of kind {kind}, and the last that this script knows is {len(KINDS) - 1}; "
                         "take the scripts of the same version")
    for number in (who, other):
        if number not in trace.vcpus and number not in (NOBODY, THREAD):
            raise TraceError(f"core {core}: '{text}' is about VCPU {number}, which the dump's head does not have; dump again")
    event = Event(core, data >> 128, KINDS[kind], who, other, data >> 32 & 0xFFFFFFFF, data >> 64 & NEVER)
    last = next((before for before in reversed(trace.of_core[core]) if before), event)
    if last.time > event.time:
        raise TraceError(f"core {core}: '{text}' is older than the one before it; lines are missing or in another order")
    return event


def read_vcpu(trace, words, line):
    if len(words) != 7:
        raise TraceError(f"'{line}': a VCPU has seven words; dump again")
    number, index, core, *reservation = numbers([words[0], *words[2:]], 6, line)
    trace.vcpus[number] = Vcpu(number, words[1], index, core, *reservation)


def begin(words, line):
    version, hz, cores = numbers(words, 3, line)
    if version != VERSION:
        raise TraceError(f"the dump is of version {version}, and this script reads {VERSION}; take that of the same version")
    if hz == 0 or not 0 < cores <= 64:
        raise TraceError(f"'{line}': neither a frequency of 0 nor {cores} cores can be; dump again")
    return Trace(hz, cores, of_core=[[] for _ in range(cores)], lost=[0] * cores)


def parse(text):
    """The last whole dump in a console's text."""
    text = text.replace("\r", "")
    at = text.rfind("trace-begin ")
    if at < 0:
        raise TraceError("there is no line 'trace-begin'; give what the monitor prints for 'trace dump'")
    trace, ended = None, 0
    for word, rest in LINE.findall(text, at):
        words, line = rest.split(), word + rest
        if word == "trace-begin":
            trace = begin(words, line)
        elif word == "trace-vcpu":
            read_vcpu(trace, words, line)
        elif word == "trace-core":
            core, total, lost = numbers(words, 3, line)
            have = sum(event is not None for event in trace.of_core[core]) if core < trace.cores else -1
            if have != total - lost:
                raise TraceError(f"core {core}: {have} records came of {total} less {lost} lost; lines are missing: dump again")
            trace.lost[core], ended = lost, ended + 1
        elif word == "trace-end":
            if ended != trace.cores:
                raise TraceError(f"{ended} of {trace.cores} cores are in the dump; dump again")
            return trace
        elif word.startswith("trace-"):
            raise TraceError(f"'{line}': this script knows no such line; take that of the same version")
        else:
            core = int(word[1:])
            if core >= trace.cores:
                raise TraceError(f"'{line[:60]}': there are {trace.cores} cores; dump again")
            for record in words:
                trace.of_core[core].append(None if record == "-" else read_record(trace, core, record))
    raise TraceError("the dump has no 'trace-end': it was cut short; dump again, and wait for the prompt")


# ---- words -----------------------------------------------------------------------------------------------------------
def describe(trace, event):
    """The event in words, without time and core."""
    who, detail, value = trace.name(event.who), event.detail, event.value
    return {
        "on": lambda: "tracing begins", "off": lambda: "tracing ends",
        "dispatch": lambda: f"{who} runs" + ("" if value == NEVER else f", deadline at {trace.us(value):.1f} us"),
        "wake": lambda: f"{who} wakes by {CAUSES[detail] if detail < len(CAUSES) else detail}",
        "block": lambda: f"{who} waits", "start": lambda: f"{who} is on", "stop": lambda: f"{who} is off",
        "activation": lambda: f"{who} has {detail * 1e6 / trace.hz:.1f} us of budget, released at {trace.us(value):.1f} us",
        "exhausted": lambda: f"{who} has no budget until {trace.us(value):.1f} us",
        "miss": lambda: f"{who} had its budget too late" + (", after the machine lost time" if detail else ""),
        "inject": lambda: (f"{who}: its timer, {value * 1e6 / trace.hz:.2f} us late" if detail == OWN_TIMER
                           else f"{who}: interrupt {detail}"),
        "exit": lambda: f"{who} left the guest: {EXITS[detail] if detail < len(EXITS) else detail}",
        "mark": lambda: f"{who} marks {value:#x}", "distortion": lambda: "the machine lost time",
        "migrate": lambda: f"{who} goes on on core {detail}",
        "late": lambda: (f"{who}: its timer came {value * 1e6 / trace.hz:.2f} us later than promised"
                         + (", after the machine lost time" if detail else "")),
    }[event.kind]()

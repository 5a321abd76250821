# SPDX-License-Identifier: Apache-2.0
"""A trace in the forms of others: Chrome's trace events, which Perfetto reads; CTF 1.8, which babeltrace2 reads; a Gantt chart.

Each record is one event in the first two, so that they can be counted against each other.
"""
import json
import struct
import uuid

import gantt
import takt_trace

# Bars of a chart: what shows more is unreadable, and large.
BARS_MAX = 1500


# ---- Chrome's trace events -------------------------------------------------------------------------------------------
def ends_of_runs(trace):
    """{(core, time of its DISPATCH): end}, for idling too."""
    ends = {}
    for core, events in enumerate(trace.of_core):
        begun = None
        for event in events:
            ended = event is None or event.kind in ("dispatch", "off")
            if begun is not None and ended:
                ends[core, begun] = event.time if event else last
            if ended:
                begun = event.time if event and event.kind == "dispatch" else None
            last = event.time if event else None
        if begun is not None:
            ends[core, begun] = last
    return ends


def named(phase, name, pid, tid=0):
    return {"ph": "M", "name": phase, "pid": pid, "tid": tid, "args": {"name": name}}


def chrome(trace):
    """The object of a JSON file: a process for each core, a thread for each VCPU, idling and the hypervisor's own work."""
    ends, events = ends_of_runs(trace), []
    threads = [*trace.vcpus, takt_trace.THREAD, takt_trace.NOBODY]
    for core in range(trace.cores):
        here = [number for number in threads if number not in trace.vcpus or trace.vcpus[number].core == core]
        events.append(named("process_name", f"core {core}", core))
        events += [named("thread_name", trace.name(number), core, number) for number in here]
    for event in trace.events:
        start = trace.us(event.time)
        shown = {"pid": event.core, "tid": event.who, "ts": start, "cat": event.kind,
                 "args": {"text": takt_trace.describe(trace, event), "detail": event.detail, "value": f"{event.value:#x}"}}
        if event.kind == "dispatch":
            shown |= {"ph": "X", "name": trace.name(event.who), "dur": trace.us(ends[event.core, event.time]) - start}
        else:
            shown |= {"ph": "i", "name": event.kind, "s": "t"}
        events.append(shown)
    return {"traceEvents": events, "displayTimeUnit": "ns", "otherData": {"hz": trace.hz, "lost": trace.lost}}


def write_chrome(trace, path):
    path.write_text(json.dumps(chrome(trace), separators=(",", ":")) + "\n", encoding="ascii")


# ---- CTF -------------------------------------------------------------------------------------------------------------
# The name space is ours alone: equal systems have equal traces.
TRACE_UUID = uuid.uuid5(uuid.NAMESPACE_URL, "takt,trace-1")
MAGIC = 0xC1FC1FC1
HEADER = struct.Struct("<I16sI")         # magic, uuid, stream id
CONTEXT = struct.Struct("<QQQQQI")       # begin, end, content and packet size in bits, lost, core
EVENT = struct.Struct("<BQBBIQ")         # id, time, who, other, detail, value

METADATA = """/* CTF 1.8 */
typealias integer {{ size = 8; align = 8; signed = false; }} := uint8_t;
typealias integer {{ size = 32; align = 8; signed = false; }} := uint32_t;
typealias integer {{ size = 64; align = 8; signed = false; }} := uint64_t;
trace {{
    major = 1; minor = 8; uuid = "{uuid}"; byte_order = le;
    packet.header := struct {{ uint32_t magic; uint8_t uuid[16]; uint32_t stream_id; }};
}};
env {{ hypervisor = "takt"; }};
clock {{ name = counter; freq = {hz}; offset = 0; }};
typealias integer {{ size = 64; align = 8; signed = false; map = clock.counter.value; }} := time_t;
typealias enum : uint8_t {{ {names} }} := who_t;
stream {{
    id = 0;
    event.header := struct {{ uint8_t id; time_t timestamp; }};
    packet.context := struct {{ time_t timestamp_begin; time_t timestamp_end; uint64_t content_size; uint64_t packet_size;
                               uint64_t events_discarded; uint32_t cpu_id; }};
}};
"""
CTF_EVENT = """event {{ name = "{name}"; id = {id}; stream_id = 0;
    fields := struct {{ who_t who; who_t other; uint32_t detail; uint64_t value; }}; }};
"""


def metadata(trace):
    names = ", ".join(f'"{trace.name(number)}" = {number}' for number in (*trace.vcpus, takt_trace.THREAD, takt_trace.NOBODY))
    return METADATA.format(uuid=TRACE_UUID, hz=trace.hz, names=names) + "".join(
        CTF_EVENT.format(name=name, id=number) for number, name in enumerate(takt_trace.KINDS))


def packet(core, events, begin, discarded):
    """One packet of a core; `discarded` counts what was lost before its end."""
    size = HEADER.size + CONTEXT.size + EVENT.size * len(events)
    end = events[-1].time if events else begin
    return b"".join([
        HEADER.pack(MAGIC, TRACE_UUID.bytes, 0), CONTEXT.pack(begin, end, 8 * size, 8 * size, discarded, core),
        *(EVENT.pack(takt_trace.KINDS.index(event.kind), event.time, event.who, event.other, event.detail, event.value)
          for event in events)])


def stream(trace, core):
    """All that a core has. An empty packet comes first: of what was lost before the first one some readers do not tell."""
    events = [event for event in trace.of_core[core] if event]
    begin = events[0].time if events else 0
    return packet(core, [], begin, 0) + packet(core, events, begin, trace.lost[core])


def write_ctf(trace, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("core-*"):
        old.unlink()
    (folder / "metadata").write_text(metadata(trace), encoding="ascii")
    for core in range(trace.cores):
        if trace.of_core[core]:
            (folder / f"core-{core}").write_bytes(stream(trace, core))


# ---- Gantt -----------------------------------------------------------------------------------------------------------
def bars(trace):
    """(lane, begin, end, kind, tooltip) in us, by time: a lane for each core, and for each VCPU one with its wake-ups."""
    found = []
    for core in range(trace.cores):
        for run in trace.runs(core):
            begin, end, name = trace.us(run.begin), trace.us(run.end), trace.name(run.who)
            tip = f"{name}: {begin:.1f} to {end:.1f} us" + (
                "" if run.deadline == takt_trace.NEVER else f", deadline {trace.us(run.deadline):.1f}")
            found.append((f"core {core}", begin, end, name, tip))
            if run.who in trace.vcpus:
                found.append((name, begin, end, name, tip))
    found += [(trace.name(event.who), trace.us(event.time), trace.us(event.time), event.kind, takt_trace.describe(trace, event))
              for event in trace.events if event.kind in ("wake", "start", "miss", "late")]
    return sorted(found, key=lambda bar: bar[1])


def gantt_of(trace, title, begin=None, length=None):
    """The chart of `length` us from `begin` on; without them the last that BARS_MAX bars show."""
    drawn = bars(trace)
    end = trace.us(trace.end)
    if begin is None:
        begin = drawn[-BARS_MAX][1] if len(drawn) > BARS_MAX else 0
    if length is not None:
        end = min(end, begin + length)
    drawn = [bar for bar in drawn if bar[2] >= begin and bar[1] <= end]
    lanes = [f"core {core}" for core in range(trace.cores)] + [vcpu.name for vcpu in trace.vcpus.values()]
    return gantt.svg(lanes, drawn, begin, max(end, begin + 1), "us", title)

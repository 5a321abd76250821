#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Boots a system with tracing on, gets the trace out and writes it in forms that others read; or reads a dump got elsewhere.

    trace_system.py [machine options] --hypervisor takt.Image [--seconds S] [--records N] [--check] --out BASE SYSTEM.dts
    trace_system.py --dump CONSOLE.log [--check] --out BASE

Writes BASE.trace.txt (the dump), .trace.json (Chrome, Perfetto), .trace.svg (Gantt chart) and the folder .trace.ctf
(babeltrace2). --check holds the trace against the scheduler's promises (scripts/trace_check.py); exit status 1 on a breach.
Emulated, an instruction is a nanosecond and time is virtual: equal systems have equal traces. --dump is for a console of
any other machine, on which somebody typed `trace dump`.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import time

import disk
import machine
import takt_console
import takt_trace
import trace_check
import trace_write

RECORDS = 32768       # of each core: TRACE_RECORDS_MAX of kernel/sysdesc.h
SECONDS_MAX = 600     # of the machine's time
BUDGET = 300          # real seconds for all
POLL = 0.2
END = "trace-end"     # a dump's last line
REFUSED = "nothing is started"  # the end of what the hypervisor says then
STATUS = re.compile(r"^ *(\d+) +(on|off) +(\d+) +(\d+) +(\d+) *$", re.MULTILINE)


def pack(system, emulated, hypervisor, itb, records):
    """The system with tracing on from its start, whatever its description says of that."""
    arch = machine.board_settings(emulated.board)["arch"]
    packed = subprocess.run([sys.executable, "scripts/mkimage.py", "--board", emulated.board, "--arch", arch, "--hypervisor",
                             str(hypervisor), "--append", f"/ {{ trace; trace-records = <{records}>; }};", "--out", str(itb), str(system)],
                            cwd=machine.ROOT, capture_output=True, text=True, check=False)
    if packed.returncode:
        raise takt_trace.TraceError(f"{system} cannot be packed: {packed.stderr.strip()}")


def wait_until(console, seconds):
    """Until that much virtual time is in the trace, or a ring is full."""
    if console.seen(rf"{takt_console.STARTED.pattern}|{REFUSED}", 120, "the system to start").group() == REFUSED:
        raise takt_trace.TraceError("the hypervisor refused the system:\n" + console.tail())
    while True:
        rows = [tuple(map(int, (row[0], *row[2:]))) for row in STATUS.findall(console.monitor("trace"))]
        if not rows:
            raise takt_trace.TraceError("the monitor's `trace` shows no core: the hypervisor was built without the part `trace`")
        if any(lost for _, _, lost, _ in rows) or max(ms for *_, ms in rows) >= seconds * 1000:
            return
        time.sleep(POLL)


def dump(console, timeout=BUDGET):
    """The dump, as text. Not by Console.monitor, which looks through all of the console again at each piece that comes."""
    console.open_monitor()
    console.type_line("trace dump")
    pieces, last, until = [], "", time.monotonic() + timeout
    while END not in last:
        piece = console.read_raw(until - time.monotonic())
        if piece is None or time.monotonic() > until:
            raise takt_console.ConsoleError("the dump did not come to its end\n" + console.tail())
        pieces.append(piece)
        last = last[1 - len(END):] + piece  # which may be a single character
    return "".join(pieces)


def record(args, also=()):
    """Runs the system; returns the dump's text and the answers to the monitor commands in `also`."""
    emulated = machine.from_arguments(args)
    itb = pathlib.Path(f"{args.out}.trace.itb").resolve()
    itb.parent.mkdir(parents=True, exist_ok=True)
    pack(args.system, emulated, args.hypervisor, itb, args.records)
    medium = disk.medium(emulated, itb.with_suffix(f".{emulated.boot}.img"), args.hypervisor, itb)
    with takt_console.Console(emulated.command(args.hypervisor, itb, medium), itb.with_suffix(".log"), BUDGET) as console:
        wait_until(console, args.seconds)
        console.monitor("trace off")
        answers = {command: console.monitor(command) for command in also}
        text = dump(console)
        return text, answers, console.text


def write(trace, base, title):
    trace_write.write_chrome(trace, base.with_name(base.name + ".trace.json"))
    trace_write.write_ctf(trace, base.with_name(base.name + ".trace.ctf"))
    base.with_name(base.name + ".trace.svg").write_text(trace_write.gantt_of(trace, title), encoding="utf-8")


def judge(trace):
    """Says what the check found; the exit status."""
    breaches = trace_check.check(trace)
    for breach in breaches:
        print(f"BREACH: {breach}")
    print(f"check: {len(breaches)} breaches in {len(trace.events)} records; the machine lost time {trace_check.excused(trace)} times")
    return 1 if breaches else 0


def seconds(text):
    """argparse's type of a time that can end."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= SECONDS_MAX:
        raise argparse.ArgumentTypeError(f"'{text}' is no time; say SECONDS=1, or any number up to {SECONDS_MAX}")
    return value


def add_arguments(parser):
    machine.add_arguments(parser)
    parser.add_argument("--hypervisor")
    parser.add_argument("--seconds", type=seconds, default=1.0, help="of the machine's time (default: %(default)s)")
    parser.add_argument("--records", type=int, default=RECORDS, help="of each core's ring (default: %(default)s)")
    parser.add_argument("--out", required=True, type=pathlib.Path, help="what the files' names begin with")
    parser.add_argument("system", nargs="?", help="the system description")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--dump", type=pathlib.Path, help="a console's text with a dump in it, in place of a run")
    parser.add_argument("--check", action="store_true", help="hold it against the scheduler's promises")
    args = parser.parse_args()
    if args.dump:
        text = args.dump.read_text(encoding="utf-8", errors="replace")
    elif args.hypervisor and args.system:
        args.icount = True
        text, _, _ = record(args)
        pathlib.Path(f"{args.out}.trace.txt").write_text(text, encoding="utf-8")
    else:
        parser.error("give --dump FILE, or --hypervisor and the system description")
    trace = takt_trace.parse(text)
    write(trace, args.out, f"Trace of {args.out.name}")
    print(f"{args.out}.trace.json, .svg, .ctf: {len(trace.events)} records of {trace.cores} cores, "
          f"{trace.us(trace.end) / 1000:.1f} ms, {sum(trace.lost)} lost")
    return judge(trace) if args.check else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (takt_trace.TraceError, takt_console.ConsoleError, machine.MachineError, OSError) as failure:
        print(f"trace: {failure}", file=sys.stderr)
        sys.exit(2)

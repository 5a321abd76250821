#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs Bochs as QEMU runs: without a screen, the machine's console on stdin and stdout, exit status 0 when the machine
switches itself off.

    bochs.py [--bochs PROGRAM] --cpu MODEL --cores N --memory MIB [--rom FILE] --cdrom ISO | --disk IMAGE

Its serial port is a pseudo terminal, between which and stdin and stdout this program carries every byte. Bochs never
exits with 0, so that its words are read instead. Bochs User Manual, chapter 4 (bochsrc).
"""
import argparse
import os
import pathlib
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import time
import tty

BIOS = "/usr/share/bochs/BIOS-bochs-latest"
# Bochs' own words, for its own port and for ACPI's registers.
SWITCHED_OFF = ("Shutdown port: shutdown requested", "ACPI control: soft power off")
# Its text screen is a pseudo terminal too; when nobody reads what is shown there, it soon stands still.
SCREEN = re.compile(r'connected to screen "([^"]+)"')
SCREEN_SECONDS = 10
HELP_SECONDS = 10
MOST = 65536

# Every run sees the same date, and time is counted in instructions: `ips` of them are a second of the machine, however
# long they take. What the machine does wrong ends the run (panic) or stands in the log.
BOCHSRC = """\
config_interface: textconfig
display_library: term
plugin_ctrl: unmapped=true, biosdev=true, speaker=false, extfpuirq=true, parallel=false, serial=true, iodebug=false
cpu: model={cpu}, count={cores}, ips=50000000, reset_on_triple_fault=0, ignore_bad_msrs={ignore_msrs}
memory: guest={memory}, host={memory}
romimage: file={rom}
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
pci: enabled=1, chipset=i440fx
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: {medium}
boot: {boot}
com1: enabled=1, mode=term, dev={terminal}
clock: sync=none, time0=1767225600
log: {log}
panic: action=fatal
error: action=report
info: action=ignore
debug: action=ignore
"""


def debugger(program):
    """What makes Bochs' debugger run the processors. Where several take turns Bochs' own loop forgets, once an exception is
    delivered, that RIP is the handler's (bx_begin_simulation in main.cc, 2.7 and 3.0, does not set prev_rip): a VM exit
    before the handler's first instruction saves the RIP at fault beside the handler's RSP. The debugger's loop does not;
    in 2.7 it runs whenever it is built in, in 3.0 when it is asked for."""
    options = subprocess.run([program, "--help"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             timeout=HELP_SECONDS, check=False).stdout.decode(errors="replace")
    if not re.search(r"(?m)^ *-rc\b", options):
        sys.exit(f"bochs: {program} was built without its debugger, and without that several processors and VMX do not go "
                 "together; take the one of Debian's package bochs")
    return ["-debugger"] if re.search(r"(?m)^ *-debugger\b", options) else []


def start(args, folder, terminal):
    """The debugger is told to go on at once. EDK2 reads registers that Bochs' processors do not have; without it such a read
    is the fault that it is on a real one."""
    log, config, commands = (folder / name for name in ("bochs.log", "bochsrc", "debugger"))
    medium = (f'type=cdrom, path="{os.path.abspath(args.cdrom)}", status=inserted' if args.cdrom else
              f'type=disk, path="{os.path.abspath(args.disk)}", mode=flat, cylinders=0')
    config.write_text(BOCHSRC.format(cpu=args.cpu, cores=args.cores, memory=args.memory, rom=args.rom, medium=medium,
                                     boot="cdrom" if args.cdrom else "disk", terminal=terminal, log=log,
                                     ignore_msrs=int(args.rom != BIOS)), encoding="utf-8")
    commands.write_text("c\n", encoding="ascii")
    log.touch()  # read in the end, even where Bochs did not get as far as its own
    said = open(folder / "said", "wb")
    return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", args.bochs, *debugger(args.bochs), "-q", "-f", str(config),
                             "-rc", str(commands)],
                            stdin=subprocess.DEVNULL, stdout=said, stderr=said, env={**os.environ, "TERM": "xterm"})


def open_screen(process, said):
    """Opens what Bochs shows its screen on, once it has said where; None: nowhere."""
    until = time.monotonic() + SCREEN_SECONDS
    while process.poll() is None and time.monotonic() < until:
        if found := SCREEN.search(said.read_text(errors="replace")):
            screen = os.open(found[1], os.O_RDWR | os.O_NOCTTY)
            tty.setraw(screen)
            return screen
        time.sleep(0.05)
    return None


def carry(process, console, screen):
    """Every byte from either side to the other, and none of the screen, until Bochs has ended."""
    sources = [console, sys.stdin.fileno(), *([] if screen is None else [screen])]
    ended = False
    while not ended:
        ended = process.poll() is not None
        ready = select.select(sources, [], [], 0 if ended else 0.2)[0]
        if console in ready:
            os.write(sys.stdout.fileno(), os.read(console, MOST))
            ended = False
        if screen in ready:
            os.read(screen, MOST)
        if sys.stdin.fileno() in ready:
            typed = os.read(sys.stdin.fileno(), MOST)
            if typed:
                os.write(console, typed)
            else:
                sources.remove(sys.stdin.fileno())


def run(args):
    with tempfile.TemporaryDirectory(prefix="takt-bochs-") as name:
        folder = pathlib.Path(name)
        console, terminal = os.openpty()  # its other end stays open here: it must not hang up before Bochs opens it
        tty.setraw(terminal)
        process = start(args, folder, os.ttyname(terminal))
        try:
            carry(process, console, open_screen(process, folder / "said"))
        finally:
            process.kill()
            process.wait()
        log = (folder / "bochs.log").read_text(errors="replace") + (folder / "said").read_text(errors="replace")
    if any(words in log for words in SWITCHED_OFF):
        return 0
    print("bochs: it ended by itself; its last words:\n" + "\n".join(log.splitlines()[-20:]), file=sys.stderr)
    return 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bochs", default="bochs-bin")
    parser.add_argument("--cpu", required=True)
    parser.add_argument("--cores", type=int, required=True)
    parser.add_argument("--memory", type=int, required=True, metavar="MIB")
    parser.add_argument("--rom", default=BIOS, help="firmware (default: %(default)s)")
    parser.add_argument("--cdrom", metavar="ISO")
    parser.add_argument("--disk", metavar="IMAGE")
    args = parser.parse_args()
    if bool(args.cdrom) == bool(args.disk):
        parser.error("give either --cdrom or --disk")
    for program, package in (("setpriv", "util-linux"), (args.bochs, "bochs")):
        if shutil.which(program) is None:
            parser.error(f"{program} is not installed (package {package})")
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, lambda number, _frame: sys.exit(128 + number))  # so that it leaves nothing behind
    before = termios.tcgetattr(sys.stdin) if sys.stdin.isatty() else None
    try:
        if before:
            tty.setraw(sys.stdin)
        return run(args)
    finally:
        if before:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


if __name__ == "__main__":
    sys.exit(main())

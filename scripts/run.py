#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Starts a system image in an emulator: interactively, or headless with facts asserted.

    run.py [machine options] --hypervisor takt.Image NAME.itb             the terminal is the machine's console
    run.py [machine options] --headless --facts F.toml --hypervisor takt.Image NAME.itb
    run.py [machine options] --dump-dtb FILE                              only writes the machine's device tree

The facts file stands beside the description (NAME.facts.toml) and names which VM answers as a shell and which counts.
"""
import argparse
import pathlib
import subprocess
import sys
import termios
import tomllib

import disk
import machine
import takt_console


REFUSED = "nothing is started"  # the end of what the hypervisor says then
SECONDS = 180


def interactive(command):
    """The emulator on this terminal. It makes the terminal raw; whatever happens to it, the terminal is put right again."""
    on_terminal = sys.stdin.isatty()
    before = termios.tcgetattr(sys.stdin) if on_terminal else None
    print("Ctrl-] ? shows the keys, Ctrl-] m opens the monitor; `quit` there ends the machine.", flush=True)
    try:
        return subprocess.run(command, check=False).returncode
    except KeyboardInterrupt:
        return 130
    finally:
        if on_terminal:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


class Facts:
    """Named facts about a running system; each is printed as it is decided."""

    def __init__(self, console, wanted):
        self.console = console
        self.wanted = wanted
        self.failed = 0

    def check(self, name, decide):
        over = ("the machine had ended before" if self.console.status is not None else
                "nothing was started" if REFUSED in self.console.text else None)
        if over:
            self.failed += 1
            print(f"FAILED: {name}: {over}", flush=True)
            return
        try:
            detail = decide()
        except takt_console.ConsoleError as error:
            self.failed += 1
            print(f"FAILED: {name}: {error}", flush=True)
        else:
            print(f"ok: {name}" + (f" ({detail})" if detail else ""), flush=True)

    def run(self):
        boot_seconds = self.wanted.get("boot-seconds", 60)
        for vm, line in self.wanted.get("ready", {}).items():
            self.check(f"{vm} started", lambda vm=vm, line=line: self._ready(vm, line, boot_seconds))
        numbers = {}
        self.check("the monitor lists the VMs", lambda: self._list(numbers))
        for vm in self.wanted.get("shells", []):
            self.check(f"the shell of {vm} answered a random challenge", lambda vm=vm: self._challenge(vm, numbers))
        for vm, pattern in self.wanted.get("counts", {}).items():
            self.check(f"the count of {vm} rose", lambda vm=vm, pattern=pattern: self._rose(vm, pattern))
        self.check("every reserved VCPU got its budget in every period it wanted it", self._budgets)
        self.check("the monitor's quit switched the machine off", self._quit)
        return self.failed

    def _ready(self, vm, line, seconds):
        started = takt_console.prefix(vm) + rf"[^\n]*?{line}[^\n]*\n"
        seen = self.console.seen(rf"{started}|{REFUSED}", seconds, f"{vm} to print {line!r}")
        if seen.group() == REFUSED:
            raise takt_console.ConsoleError("the hypervisor refused the system:\n" + self.console.tail())

    def _list(self, numbers):
        numbers.update(self.console.vm_numbers())
        if not numbers:
            raise takt_console.ConsoleError("its answer to `vms` has no row\n" + self.console.tail())
        return ", ".join(numbers)

    def _challenge(self, vm, numbers):
        if vm not in numbers:
            raise takt_console.ConsoleError(f"the monitor lists no VM '{vm}'")
        self.console.challenge(vm, numbers[vm])

    def _rose(self, vm, pattern):
        first = int(self.console.expect_vm(vm, pattern).group(1))
        later = int(self.console.expect_vm(vm, pattern).group(1))
        if later <= first:
            raise takt_console.ConsoleError(f"it stayed at {first}, then {later}")
        return f"{first} to {later}"

    def _budgets(self):
        answer = self.console.monitor("misses")
        rows = takt_console.budget_rows(answer)
        if not rows:
            raise takt_console.ConsoleError(f"the monitor's `misses` names no reserved VCPU:\n{answer}")
        short = [f"{row.vcpu}: {row.own} of {row.activations}" for row in rows if row.own]
        if short:
            raise takt_console.ConsoleError("short of budget: " + "; ".join(short))
        return f"{len(rows)} VCPUs, {sum(row.activations for row in rows)} activations"

    def _quit(self):
        status = self.console.quit()
        if status != 0:
            raise takt_console.ConsoleError(f"the emulator ended with status {status}")


def headless(command, facts_path, log_path, budget, pace):
    with open(facts_path, "rb") as file:
        wanted = tomllib.load(file)
    with takt_console.Console(command, log_path, budget or wanted.get("seconds", SECONDS), pace) as console:
        failed = Facts(console, wanted).run()
    print(f"{'FAILED: ' + str(failed) + ' facts do not hold' if failed else 'all facts hold'}; console: {log_path}")
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    machine.add_arguments(parser)
    parser.add_argument("--headless", action="store_true")
    parser.add_argument("--facts", help="what must hold (headless)")
    parser.add_argument("--timeout", type=int, help=f"seconds for a whole headless run (default: `seconds` of the facts, or {SECONDS})")
    parser.add_argument("--dump-dtb", metavar="FILE")
    parser.add_argument("--hypervisor")
    parser.add_argument("itb", nargs="?")
    args = parser.parse_args()
    emulated = machine.from_arguments(args)
    if args.dump_dtb:
        emulated.dump_device_tree(args.dump_dtb)
        return 0
    if not (args.hypervisor and args.itb):
        parser.error("give --hypervisor and the system image, or --dump-dtb")
    itb = pathlib.Path(args.itb)
    medium = disk.medium(emulated, itb.with_suffix(f".{emulated.boot}.img"), args.hypervisor, itb)
    command = emulated.command(args.hypervisor, itb, medium)
    if not args.headless:
        return interactive(command)
    if not args.facts or not pathlib.Path(args.facts).exists():
        raise machine.MachineError(
            f"headless needs the facts to assert: write {args.facts or 'NAME.facts.toml'} beside the description "
            "(boards/qemu-arm64/default.facts.toml is an example)")
    return headless(command, args.facts, itb.with_suffix(".log"), args.timeout, emulated.pace)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (machine.MachineError, OSError, RuntimeError) as failure:
        print(f"run: {failure}", file=sys.stderr)
        sys.exit(2)

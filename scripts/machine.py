# SPDX-License-Identifier: Apache-2.0
"""The emulated machines: one description of what QEMU or Bochs is started with, used by run, tests and benchmarks."""
import argparse
import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys
import tomllib

import board_tree

ROOT = pathlib.Path(__file__).resolve().parent.parent
BOCHS = "bochs-bin"
BOCHS_PACE = 0.1

# One instruction is one nanosecond of virtual time, and idle time is skipped: equal runs give equal numbers.
ICOUNT = ["-icount", "shift=0,sleep=off", "-rtc", "base=2026-01-01,clock=vm"]
ICOUNT_COUNTER_HZ = 1_000_000_000
# What else differs from run to run on x86: random numbers, of QEMU's own and of the processor. Without x2APIC, since QEMU ends
# with "Bad icount read" at the MSRs of its timer.
ICOUNT_X86 = ["-seed", "42"]
ICOUNT_X86_CPU = ",-rdrand,-rdseed,-x2apic"
BOOTARGS_WAYS = ("kernel", "grub", "uefi", "usb")


class MachineError(Exception):
    """What is wrong and what to do, in one sentence."""


def boards():
    """The emulated ones."""
    return sorted(path.parent.name for path in ROOT.glob("boards/*/machine.toml"))


def board_settings(board):
    path = ROOT / "boards" / board / "machine.toml"
    if not path.exists():
        raise MachineError(f"board '{board}' has no {path.relative_to(ROOT)}; the emulated boards are: {', '.join(boards())}")
    with open(path, "rb") as file:
        return tomllib.load(file)


@dataclasses.dataclass(frozen=True)
class Machine:
    """A machine to boot. None: the board's default from machine.toml."""

    board: str = "qemu-arm64"
    cpu: str | None = None
    cores: int | None = None
    threads: int = 1  # of each core; QEMU, x86
    memory_mib: int | None = None
    gic: int | None = None
    boot: str | None = None
    icount: bool = False  # QEMU: deterministic virtual time, 1 GHz counter
    counter_hz: int | None = None  # arm64: CNTFRQ_EL0; None: QEMU's own, or 1 GHz with icount
    bootargs: str = ""  # the hypervisor's command line
    extra: tuple[str, ...] = ()  # further QEMU options, such as devices

    def __post_init__(self):
        settings = board_settings(self.board)
        if self.boot is None:
            object.__setattr__(self, "boot", settings["boot"][0])
        for wrong in self._mistakes(settings):
            raise MachineError(wrong)

    def _mistakes(self, settings):
        board = f"board '{self.board}'"
        if self.boot not in settings["boot"]:
            yield f"boot way '{self.boot}' is none of {board}; it is one of {', '.join(settings['boot'])}"
        if self.cpu is not None and self.cpu.split(",")[0] not in settings["cpus"]:
            yield f"CPU model '{self.cpu}' is not one that {board} is tested on: {', '.join(settings['cpus'])}"
        if self.gic is not None and "gic" not in settings:
            yield f"{board} has no GIC; leave its version out"
        for name, value in (("cores", self.cores), ("MiB of memory", self.memory_mib)):
            if value is not None and value < 1:
                yield f"{value} {name} is no machine; say 1 or more"
        if self.counter_hz is not None and settings["arch"] != "arm64":
            yield f"the frequency of {board}'s counter cannot be chosen"
        if self.bootargs and self.boot not in BOOTARGS_WAYS:
            yield f"boot way '{self.boot}' hands over no command line; {', '.join(BOOTARGS_WAYS)} do"
        if self.threads > 1 and (settings["arch"] != "x86" or settings["emulator"] == BOCHS):
            yield f"{board} has one thread per core"
        if (self.icount or self.extra) and settings["emulator"] == BOCHS:
            yield f"{board} runs in Bochs, which has neither QEMU's icount nor its devices"

    def setting(self, name):
        own = {"cpu": self.cpu, "cores": self.cores, "memory-mib": self.memory_mib, "gic": self.gic}.get(name)
        return own if own is not None else board_settings(self.board)[name]

    @property
    def pace(self):
        """Seconds between every few characters that are typed: Bochs hands them over as a serial line does, ready or not."""
        return BOCHS_PACE if self.setting("emulator") == BOCHS else 0

    def _emulator(self):
        emulator = self.setting("emulator")
        if shutil.which(emulator) is None:
            raise MachineError(f"{emulator} is not installed; run 'make setup' as root")
        return emulator

    # ---- QEMU --------------------------------------------------------------------------------------------------------
    def _arm64(self):
        machine = f"{self.setting('machine')},gic-version={self.setting('gic')}"
        hz = self.counter_hz or (ICOUNT_COUNTER_HZ if self.icount else None)
        cpu = self.setting("cpu") + (f",cntfrq={hz}" if hz is not None else "")
        # With ACPI the firmware passes on its tables in place of the device tree.
        machine += (",acpi=off" if self.boot == "uefi" else "") + (",dtb-randomness=off" if self.icount else "")
        return ["-M", machine, "-cpu", cpu]

    def _x86(self):
        cpu = self.setting("cpu") + (ICOUNT_X86_CPU if self.icount else "")
        return ["-M", self.setting("machine"), "-cpu", cpu, *(ICOUNT_X86 if self.icount else [])]

    def _on_one_processor(self):
        """What keeps QEMU's threads from running at the same time. In QEMU 10.0 an emulated x86 core that restores its x87
        registers also changes a word of the first core's state (cpu_clear_ignne in target/i386), and not atomically: the first
        core may lose there that it runs under nested paging, or that its interrupts are open. Several tests take a processor
        each."""
        if self.setting("arch") != "x86" or self.icount or self.setting("cores") * self.threads == 1:
            return []
        worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
        mine = sorted(os.sched_getaffinity(0))
        return ["taskset", "--cpu-list", str(mine[int(worker or os.getpid()) % len(mine)])]

    def _qemu(self):
        own = {"arm64": self._arm64, "x86": self._x86}[self.setting("arch")]()
        cores = self.setting("cores")
        smp = f"{cores * self.threads},sockets=1,cores={cores},threads={self.threads}" if self.threads > 1 else str(cores)
        return [*self._on_one_processor(), self._emulator(), *own, "-smp", smp, "-m", str(self.setting("memory-mib")),
                "-nodefaults", "-no-reboot", "-display", "none", "-monitor", "none", *(ICOUNT if self.icount else []),
                *self.extra]

    def _qemu_boot(self, hypervisor, itb, medium):
        if self.boot == "kernel":
            return ["-kernel", str(hypervisor), "-initrd", str(itb), *(["-append", self.bootargs] if self.bootargs else [])]
        if self.boot == "grub":
            return ["-cdrom", str(medium)]
        drive = f"format=raw,snapshot=on,file={medium}"
        if self.boot == "usb":
            stick = ["-device", "qemu-xhci,id=usb", "-device", "usb-storage,bus=usb.0,drive=stick,removable=on"]
            return ["-bios", self._firmware(), "-drive", f"if=none,id=stick,{drive}", *stick]
        return ["-bios", self._firmware(), "-drive", f"if=virtio,{drive}"]

    # ---- Bochs -------------------------------------------------------------------------------------------------------
    def _bochs(self, medium):
        start = ["--rom", self._firmware(), "--disk", str(medium)] if self.boot == "uefi" else ["--cdrom", str(medium)]
        return [sys.executable, str(ROOT / "scripts/bochs.py"), "--bochs", self._emulator(), "--cpu", self.setting("cpu"),
                "--cores", str(self.setting("cores")), "--memory", str(self.setting("memory-mib")), *start]

    # ---- either ------------------------------------------------------------------------------------------------------
    def _firmware(self):
        """What lies in front of the hypervisor: the file, and the package that brings it."""
        path, package = self.setting(self.boot.partition("-")[0])
        if not pathlib.Path(path).exists():
            raise MachineError(f"{path} is missing; run 'make setup' as root (package {package})")
        return path

    def command(self, hypervisor, itb, medium=None):
        """The emulator's command line; the machine's console is on stdin and stdout, every key goes to the guest."""
        if self.boot != "kernel" and medium is None:
            raise MachineError(f"boot way '{self.boot}' starts from a medium; make one with disk.medium()")
        if self.setting("emulator") == BOCHS:
            return self._bochs(medium)
        return self.command_with(*self._qemu_boot(hypervisor, itb, medium))

    def command_with(self, *options):
        """QEMU's command line of the same machine with something else in it than Takt, loaded by these options."""
        return [*self._qemu(), "-chardev", "stdio,id=console,signal=off,mux=off", "-serial", "chardev:console", *options]

    def dump_device_tree(self, path):
        """Writes the device tree that the hypervisor gets to see on this machine, without what is unused in it."""
        path = pathlib.Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        raw = path.with_suffix(".raw")
        try:
            if self.setting("arch") == "x86":
                raw.write_text(board_tree.source(self.setting("cores"), self.threads, self.setting("memory-mib"),
                                                 self.setting("low-memory-mib")), encoding="ascii")
                form = "dts"
            else:
                command = self._qemu()
                command[command.index("-M") + 1] += f",dumpdtb={raw}"
                subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
                form = "dtb"
            subprocess.run(["dtc", "-q", "-I", form, "-O", "dtb", "-o", str(path), str(raw)], check=True, timeout=60)
        except subprocess.CalledProcessError as error:
            raise MachineError(f"there is no device tree of it: {(error.stderr or '').strip() or error}") from error
        finally:
            raw.unlink(missing_ok=True)


def count(text):
    """argparse's type of what there is at least one of."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no number; say 1 or more")
    return int(text)


def add_arguments(parser):
    """The machine's options, the same for every program that starts one."""
    parser.add_argument("--board", default="qemu-arm64")
    parser.add_argument("--cores", type=count, help="how many (default: the board's machine.toml)")
    parser.add_argument("--cpu", help="the emulator's name of the CPU model")
    parser.add_argument("--gic", type=int, choices=(2, 3), help="version of the interrupt controller (arm64)")
    parser.add_argument("--memory", type=count, metavar="MIB")
    parser.add_argument("--boot", help="who loads the hypervisor (default: the first in the board's machine.toml)")
    parser.add_argument("--icount", action="store_true", help="deterministic: an instruction is a nanosecond (QEMU)")


def from_arguments(args):
    return Machine(board=args.board, cpu=args.cpu, cores=args.cores, memory_mib=args.memory, gic=args.gic,
                   boot=args.boot, icount=args.icount)

# SPDX-License-Identifier: Apache-2.0
"""The emulated machines: one description of what QEMU is started with, used by run, tests and benchmarks."""
import dataclasses
import pathlib
import shutil
import subprocess
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
BOOT_WAYS = ("kernel", "uboot-bootm", "uboot-booti", "uefi")
# What lies in front of the hypervisor on a disk: the board's setting that names it, and its package.
FIRMWARE = {"uboot-bootm": ("uboot", "u-boot-qemu"), "uboot-booti": ("uboot", "u-boot-qemu"),
            "uefi": ("efi", "qemu-efi-aarch64")}

# One instruction is one nanosecond of virtual time, and idle time is skipped: equal runs give equal numbers.
ICOUNT = "shift=0,sleep=off"
ICOUNT_COUNTER_HZ = 1_000_000_000


class MachineError(Exception):
    """What is wrong and what to do, in one sentence."""


def board_settings(board):
    path = ROOT / "boards" / board / "machine.toml"
    if not path.exists():
        known = sorted(p.parent.name for p in ROOT.glob("boards/*/machine.toml"))
        raise MachineError(f"board '{board}' has no {path.relative_to(ROOT)}; the emulated boards are: {', '.join(known)}")
    with open(path, "rb") as file:
        return tomllib.load(file)


@dataclasses.dataclass(frozen=True)
class Machine:
    """A machine to boot. None: the board's default from machine.toml."""

    board: str = "qemu-arm64"
    cpu: str | None = None
    cores: int | None = None
    memory_mib: int | None = None
    gic: int | None = None
    boot: str = "kernel"
    icount: bool = False  # deterministic virtual time, 1 GHz counter
    counter_hz: int | None = None  # CNTFRQ_EL0; None: QEMU's own, or 1 GHz with icount
    bootargs: str = ""  # the hypervisor's command line (boot way `kernel`)
    extra: tuple[str, ...] = ()  # further QEMU options, such as devices

    def __post_init__(self):
        if self.boot not in BOOT_WAYS:
            raise MachineError(f"boot way '{self.boot}' is not known; it is one of {', '.join(BOOT_WAYS)}")
        known = board_settings(self.board)["cpus"]
        if self.cpu is not None and self.cpu.split(",")[0] not in known:
            raise MachineError(f"CPU model '{self.cpu}' is not one that board '{self.board}' is tested on: {', '.join(known)}")

    def setting(self, name):
        own = {"cpu": self.cpu, "cores": self.cores, "memory-mib": self.memory_mib, "gic": self.gic}.get(name)
        return own if own is not None else board_settings(self.board)[name]

    def _base(self):
        qemu = self.setting("qemu")
        if shutil.which(qemu) is None:
            raise MachineError(f"{qemu} is not installed; run 'make setup' as root")
        machine = f"{self.setting('machine')},gic-version={self.setting('gic')}"
        if self.boot == "uefi":
            machine += ",acpi=off"  # or the firmware passes on tables in place of the device tree
        cpu = self.setting("cpu")
        hz = self.counter_hz or (ICOUNT_COUNTER_HZ if self.icount else None)
        if hz is not None:
            cpu += f",cntfrq={hz}"
        if self.icount:
            machine += ",dtb-randomness=off"
        command = [qemu, "-M", machine, "-cpu", cpu, "-smp", str(self.setting("cores")), "-m",
                   str(self.setting("memory-mib")), "-nodefaults", "-no-reboot", "-display", "none", "-monitor", "none"]
        if self.icount:
            command += ["-icount", ICOUNT, "-rtc", "base=2026-01-01,clock=vm"]
        return command + list(self.extra)

    def command(self, hypervisor, itb, disk=None):
        """QEMU's command line; its console is on stdin and stdout, every key goes to the guest."""
        command = self._base() + ["-chardev", "stdio,id=console,signal=off,mux=off", "-serial", "chardev:console"]
        if self.boot == "kernel":
            command += ["-kernel", str(hypervisor), "-initrd", str(itb)]
            return command + (["-append", self.bootargs] if self.bootargs else [])
        if disk is None:
            raise MachineError(f"boot way '{self.boot}' starts from a disk; make one with disk.boot_disk()")
        setting, package = FIRMWARE[self.boot]
        firmware = board_settings(self.board)[setting]
        if not pathlib.Path(firmware).exists():
            raise MachineError(f"{firmware} is missing; run 'make setup' as root (package {package})")
        return command + ["-bios", firmware, "-drive", f"if=none,id=disk,format=raw,snapshot=on,file={disk}",
                          "-device", "virtio-blk-device,drive=disk"]

    def dump_device_tree(self, path):
        """Writes the device tree that this machine's firmware would pass on, without what is unused in it."""
        path = pathlib.Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        raw = path.with_suffix(".raw")
        command = self._base()
        command[command.index("-M") + 1] += f",dumpdtb={raw}"
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
            subprocess.run(["dtc", "-q", "-I", "dtb", "-O", "dtb", "-o", str(path), str(raw)], check=True, timeout=60)
        except subprocess.CalledProcessError as error:
            raise MachineError(f"QEMU gave no device tree: {(error.stderr or '').strip() or error}") from error
        finally:
            raw.unlink(missing_ok=True)


def add_arguments(parser):
    """The machine's options, the same for every program that starts one."""
    parser.add_argument("--board", default="qemu-arm64")
    parser.add_argument("--cores", type=int, help="how many (default: the board's machine.toml)")
    parser.add_argument("--cpu", help="QEMU's name of the CPU model")
    parser.add_argument("--gic", type=int, choices=(2, 3), help="version of the interrupt controller")
    parser.add_argument("--memory", type=int, metavar="MIB")
    parser.add_argument("--boot", choices=BOOT_WAYS, default="kernel", help="who loads the hypervisor")
    parser.add_argument("--icount", action="store_true", help="deterministic: an instruction is a nanosecond")


def from_arguments(args):
    return Machine(board=args.board, cpu=args.cpu, cores=args.cores, memory_mib=args.memory, gic=args.gic,
                   boot=args.boot, icount=args.icount)

# SPDX-License-Identifier: Apache-2.0
"""What the emulated machines are started with, and what is refused before anything starts."""
import pathlib
import subprocess

import board_tree
import machine
import pytest

X86, BOCHS = "qemu-x86", "bochs-vmx"
MIB, GIB = 1 << 20, 1 << 30


@pytest.fixture(autouse=True)
def everything_is_installed(monkeypatch):
    monkeypatch.setattr(machine.shutil, "which", lambda name: f"/usr/bin/{name}")
    exists = pathlib.Path.exists
    monkeypatch.setattr(pathlib.Path, "exists", lambda path: path.is_relative_to("/usr/share") or exists(path))
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda process: {5, 3})
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw1")


def options_of(medium=None, **options):
    return machine.Machine(**options).command("takt.Image", "my.itb", medium)


def after(command, option):
    return command[command.index(option) + 1]


@pytest.mark.parametrize("options, complaint", [
    ({"board": "nowhere"}, "board 'nowhere' has no .* bochs-vmx, pc, qemu-arm64, qemu-x86"),
    ({"board": X86, "boot": "uboot-bootm"}, "'uboot-bootm' is none of board 'qemu-x86'; it is one of kernel, grub, uefi"),
    ({"board": BOCHS, "boot": "kernel"}, "'kernel' is none of .* grub, uefi"),
    ({"board": X86, "cpu": "cortex-a53"}, "'cortex-a53' is not one that .* max, EPYC, EPYC-Rome, EPYC-Milan"),
    ({"board": X86, "gic": 3}, "has no GIC"),
    ({"board": X86, "counter_hz": 1}, "counter cannot be chosen"),
    ({"board": X86, "cores": 0}, "0 cores is no machine"),
    ({"board": BOCHS, "threads": 2}, "board 'bochs-vmx' has one thread per core"),
    ({"threads": 2}, "board 'qemu-arm64' has one thread per core"),
    ({"board": X86, "memory_mib": -1}, "-1 MiB of memory is no machine"),
    ({"boot": "uboot-bootm", "bootargs": "a"}, "'uboot-bootm' hands over no command line; kernel, grub, uefi, usb do"),
    ({"board": BOCHS, "icount": True}, "neither QEMU's icount nor its devices"),
    ({"board": BOCHS, "extra": ("-device", "edu")}, "neither QEMU's icount nor its devices"),
])
def test_what_cannot_be_is_refused(options, complaint):
    with pytest.raises(machine.MachineError, match=complaint):
        machine.Machine(**options)


def test_a_boot_way_that_needs_a_medium_says_so():
    with pytest.raises(machine.MachineError, match=r"'grub' starts from a medium"):
        options_of(board=X86, boot="grub")


def test_the_arm_machine():
    command = options_of(icount=True, gic=2)
    assert after(command, "-M") == "virt,virtualization=on,gic-version=2,dtb-randomness=off"
    assert after(command, "-cpu") == "cortex-a53,cntfrq=1000000000" and after(command, "-icount") == "shift=0,sleep=off"
    assert "-seed" not in command


def test_the_pc_by_multiboot_1():
    command = options_of(board=X86, bootargs="a b")
    assert "qemu-system-x86_64" in command and after(command, "-M") == "q35" and after(command, "-cpu") == "max"
    assert (after(command, "-kernel"), after(command, "-initrd"), after(command, "-append")) == ("takt.Image", "my.itb", "a b")
    assert after(command, "-serial") == "chardev:console" and "-no-reboot" in command and "-icount" not in command


def test_the_cores_of_the_pc_share_a_processor_of_the_host(monkeypatch):
    assert options_of(board=X86)[:4] == ["taskset", "--cpu-list", "5", "qemu-system-x86_64"]
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw2")
    assert options_of(board=X86, cores=1, threads=2)[2] == "3"
    monkeypatch.delenv("PYTEST_XDIST_WORKER")
    assert options_of(board=X86)[2] in ("3", "5")
    for alone in ({"board": X86, "cores": 1}, {"board": X86, "icount": True}, {"cores": 2}):
        assert "taskset" not in options_of(**alone)


def test_the_pc_deterministic():
    command = options_of(board=X86, icount=True)
    assert after(command, "-cpu") == "max,-rdrand,-rdseed,-x2apic" and after(command, "-seed") == "42"
    assert after(command, "-rtc") == "base=2026-01-01,clock=vm"


def test_the_pc_from_media():
    assert after(options_of("m.img", board=X86, boot="grub"), "-cdrom") == "m.img"
    assert after(options_of("m.img", board=X86, boot="uefi"), "-bios") == "/usr/share/ovmf/OVMF.fd"


def test_the_pc_from_a_stick():
    command = options_of("m.img", board="pc")
    assert after(command, "-bios") == "/usr/share/ovmf/OVMF.fd" and "qemu-xhci,id=usb" in command
    assert after(command, "-drive") == "if=none,id=stick,format=raw,snapshot=on,file=m.img"
    assert "usb-storage,bus=usb.0,drive=stick,removable=on" in command


def test_by_uefi_only_the_arm_machine_goes_without_acpi():
    command = options_of("m.img", boot="uefi")
    assert after(command, "-M").endswith(",acpi=off") and after(command, "-bios").endswith("QEMU_EFI.fd")
    assert after(command, "-drive") == after(options_of("m.img", board=X86, boot="uefi"), "-drive")
    assert "acpi" not in after(options_of("m.img", board=X86, boot="uefi"), "-M")


def test_bochs():
    command = options_of("m.img", board=BOCHS, cores=1)
    assert command[1].endswith("scripts/bochs.py") and after(command, "--cdrom") == "m.img"
    assert (after(command, "--cpu"), after(command, "--cores"), after(command, "--memory")) == ("corei7_skylake_x", "1", "512")
    assert after(options_of("m.img", board=BOCHS, boot="uefi"), "--disk") == "m.img"


# ---- the tree of a PC ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("mib, ranges", [
    (1024, [(0, GIB)]), (2815, [(0, 2815 * MIB)]), (2816, [(0, 2 * GIB), (4 * GIB, 768 * MIB)]),
    (8192, [(0, 2 * GIB), (4 * GIB, 6 * GIB)]),
])
def test_ram_lies_as_q35_lays_it_out(mib, ranges):
    assert board_tree.ram(mib, machine.board_settings(X86)["low-memory-mib"]) == ranges


def test_the_tree_is_compiled(tmp_path):
    out = tmp_path / "board.dtb"
    machine.Machine(board=X86, cores=12, memory_mib=4096).dump_device_tree(out)

    def get(*words):
        return subprocess.run(["fdtget", *words[:-2], out, *words[-2:]], capture_output=True, text=True, check=True).stdout.strip()

    assert (get("/", "compatible"), get("/", "model")) == ("takt,pc", "PC")
    assert get("-t", "x", "/memory@0", "reg") == "0 0 0 80000000 1 0 0 80000000"
    assert get("-t", "u", "/cpus/cpu@b", "reg") == "11"
    assert get("/isa/serial@3f8", "compatible") == "ns16550a" == get(get("/chosen", "stdout-path"), "compatible")
    assert [file.name for file in tmp_path.iterdir()] == ["board.dtb"]

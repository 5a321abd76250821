# SPDX-License-Identifier: Apache-2.0
"""The UEFI loader of both architectures: what it hands over, and what it says of what cannot be started.

On x86-64 a probe (multiboot_probe.S) stands in for the hypervisor: it prints how it was entered and what it was given.
"""
import pathlib
import re
import struct
import subprocess

import disk
import pytest
import takt_console

FOLDER = pathlib.Path(__file__).parent
LOAD = 0x200000  # where the probe is linked
MEMORY = 512 << 20
RAM, RESERVED, ACPI, NVS = 1, 2, 3, 4
BACK = "nothing is started; a key, or 10 s, gives the machine back to the firmware"
SYSTEM = struct.pack(">II", 0xD00DFEED, 5000) + bytes(range(256)) * 19 + bytes(128)  # as much as the loader looks at


@pytest.fixture
def probe(takt):
    """Assembles the probe; each definition is one of its #ifdef."""
    def make(**definitions):
        image = takt.folder / "probe.img"
        load = definitions.get("LOAD", LOAD)
        subprocess.run(["x86_64-linux-gnu-gcc", "-m32", "-nostdlib", "-static",
                        f"-Wl,-Ttext={load:#x},--entry=image,--oformat=binary,--build-id=none",
                        *(f"-D{name}={value}" for name, value in definitions.items()),
                        "-o", image, FOLDER / "multiboot_probe.S"], check=True, timeout=60)
        return image.read_bytes()
    return make


def volume(takt, loader, files):
    """A disk with the loader and what is to lie beside it, name and bytes."""
    sources = {f"EFI/BOOT/{loader}": takt.build / "efi" / loader}
    for name, data in files.items():
        sources[f"takt/{name}"] = takt.folder / name
        sources[f"takt/{name}"].write_bytes(data)
    return disk.fat_disk(takt.folder / "disk.img", sources, disk.EFI_SYSTEM)


def started(takt, loader, files, machine="", **options):
    drive = volume(takt, loader, files)
    command = takt.machine(boot="uefi", cores=1, **options).command(None, None, drive)
    command[command.index("-M") + 1] += machine  # what is said last holds
    return takt_console.Console(command, takt.folder / "console.log", 120)


def x86(takt, files):
    return started(takt, "BOOTX64.EFI", files, memory_mib=MEMORY >> 20)


def arm64(takt, files, machine=""):
    return started(takt, "BOOTAA64.EFI", files, machine)


def tags(info):
    """Of Multiboot2's information: a list of type and bytes."""
    total, at, found = struct.unpack_from("<I", info)[0], 8, []
    assert total == len(info)
    while at < total:
        kind, size = struct.unpack_from("<II", info, at)
        found.append((kind, info[at + 8:at + size]))
        at += -(-size // 8) * 8
    assert at == total and found[-1] == (0, b"")
    return found[:-1]


def entered(console):
    """What the probe says: its numbers by name, and the tags."""
    text = console.seen(r"(?s)eax .*\nend\n", 90).group()
    numbers = {name: int(value, 16) for name, value in re.findall(r"(\w+) ([0-9a-f]{8})\b", text)}
    return numbers, dict(tags(bytes.fromhex(re.search(r"info ([0-9a-f]+)", text).group(1))))


@pytest.mark.boards("qemu-x86")
def test_multiboot2_state_and_information(takt, probe):
    files = {"takt.img": probe(), "system.itb": SYSTEM, "cmdline.txt": b"quiet cores=2\r\nmore\r\n"}
    with x86(takt, files) as console:
        numbers, found = entered(console)
    assert numbers["eax"] == 0x36D76289 and numbers["base"] == LOAD
    assert numbers["cr0"] & 1 and not numbers["cr0"] & 1 << 31 and numbers["cr4"] == 0  # protected, no paging
    assert not numbers["efer"] & (1 << 8 | 1 << 10) and not numbers["eflags"] & 1 << 9  # not long mode, no interrupts
    assert numbers["bss"] == 0 and numbers["module"] == sum(SYSTEM)
    assert set(found) == {1, 3, 6, 15}
    assert found[1] == b"quiet cores=2\0"
    start, end, name = struct.unpack("<IIc", found[3])
    assert start % 4096 == 0 and end - start == len(SYSTEM) and name == b"\0"
    assert found[15].startswith(b"RSD PTR ") and len(found[15]) == 36 and sum(found[15]) % 256 == 0
    check_memory(found[6], [(start, end), (LOAD, LOAD + len(files["takt.img"])), (numbers["ebx"], numbers["ebx"] + 1)])


def check_memory(tag, used):
    """No overlaps, neighbours merged, all memory there; what we were given counts as RAM."""
    assert struct.unpack_from("<II", tag) == (24, 0)
    rows = [struct.unpack_from("<QQII", tag, at) for at in range(8, len(tag), 24)]
    assert all(kind in (RAM, RESERVED, ACPI, NVS) and zero == 0 for _, _, kind, zero in rows)
    rows.sort()
    for (base, size, kind, _), (after, _, kind_after, _) in zip(rows, rows[1:]):
        assert base + size < after or (base + size == after and kind != kind_after)
    assert MEMORY * 0.9 < sum(size for _, size, kind, _ in rows if kind == RAM) < MEMORY
    assert {kind for _, _, kind, _ in rows} == {RAM, RESERVED, ACPI, NVS}
    for start, end in used:
        assert any(kind == RAM and base <= start and end <= base + size for base, size, kind, _ in rows)


@pytest.mark.boards("qemu-x86")
def test_a_taken_place_moves_the_kernel(takt, probe):
    """Linked where OVMF keeps memory for itself."""
    with x86(takt, {"takt.img": probe(LOAD=0x800000), "system.itb": SYSTEM}) as console:
        numbers, found = entered(console)
    assert numbers["base"] % (2 << 20) == 0 and numbers["base"] not in (0, 0x800000)
    assert numbers["bss"] == 0 and found[1] == b"\0"


@pytest.mark.boards("qemu-x86")
@pytest.mark.parametrize("change, message", [
    (lambda files, _: files.pop("takt.img"), r"\takt\takt.img: it cannot be opened; copy it to this loader's volume (not found)"),
    (lambda files, _: files.pop("system.itb"), r"\takt\system.itb: it cannot be opened"),
    (lambda files, _: files.update({"system.itb": SYSTEM[:-1]}), r"\takt\system.itb: it is cut off"),
    (lambda files, _: files.update({"system.itb": b"no tree!"}), r"\takt\system.itb: it is no system image"),
    (lambda files, _: files.update({"takt.img": files["takt.img"][:-1]}), r"\takt\takt.img: it is cut off"),
    (lambda files, probe: files.update({"takt.img": probe(WANTED=9)}), r"\takt\takt.img: its Multiboot2 header wants"),
    (lambda files, _: files.update({"cmdline.txt": b"x" * 256}), r"\takt\cmdline.txt: 255 characters are the most"),
], ids=["no-hypervisor", "no-system", "system-cut", "no-image", "hypervisor-cut", "unknown-tag", "long-command"])
def test_x86_says_what_cannot_be_started(takt, probe, change, message):
    files = {"takt.img": probe(), "system.itb": SYSTEM}
    change(files, probe)
    with x86(takt, files) as console:
        console.seen(r"takt loader: " + re.escape(message), 90)
        console.seen(re.escape(BACK), 30)


@pytest.mark.parametrize("machine, files, message", [
    (",acpi=on", {}, "firmware: it has no device tree; switch it from ACPI to one (QEMU: -M virt,acpi=off) (not found)"),
    (",virtualization=off", {}, "firmware: it does not run at EL2"),
    ("", {"takt.img": b"MZ" + bytes(100)}, r"\takt\takt.img: it is no arm64 Image"),
    ("", {"takt.img": b"MZ"}, r"\takt\takt.img: it is no arm64 Image"),
    ("", {"takt.img": bytes(56) + b"ARM\x64" + bytes(4)}, r"\takt\takt.img: its size and its header contradict"),
    ("", {"system.itb": SYSTEM[:-1]}, r"\takt\system.itb: it is cut off"),
], ids=["acpi", "el1", "no-image", "short-image", "no-size", "system-cut"])
def test_arm64_says_what_cannot_be_started(takt, machine, files, message):
    good = {"takt.img": takt.hypervisor.read_bytes(), "system.itb": SYSTEM}
    with arm64(takt, good | files, machine) as console:
        console.seen(r"takt loader: " + re.escape(message), 90)
        console.seen(re.escape(BACK), 30)

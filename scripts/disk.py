#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a disk image from which U-Boot or UEFI starts the hypervisor with nothing typed.

    disk.py --boot uboot-bootm|uboot-booti --hypervisor takt.Image --out DISK NAME.itb
    disk.py --boot uefi --loader BOOTAA64.EFI --hypervisor takt.Image --out DISK NAME.itb

The disk has an MBR with one FAT partition, on it what is found by the standard boot order, U-Boot's boot.scr or UEFI's
EFI/BOOT/, and what that loads (docs/boot.md).
"""
import argparse
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

SECTOR = 512
PARTITION_START = 1 << 20
FAT_LBA, EFI_SYSTEM = 0x0C, 0xEF  # types of a partition
SPARE = 8 << 20  # room for the FAT itself and the script

# bootm: the one FIT holds hypervisor and system. It is loaded well above the place the hypervisor is moved to; naming
# it again as ramdisk selects its system part; the machine's own tree is what the firmware was started with. The
# configuration is named because U-Boot would otherwise look for one whose own device tree suits the machine.
BOOTM = """\
load ${devtype} ${devnum}:${distro_bootpart} 0x48000000 system.itb
bootm 0x48000000#CONFIGURATION 0x48000000#CONFIGURATION ${fdtcontroladdr}
"""
BOOTI = """\
load ${devtype} ${devnum}:${distro_bootpart} ${kernel_addr_r} takt.Image
load ${devtype} ${devnum}:${distro_bootpart} ${ramdisk_addr_r} system.itb
booti ${kernel_addr_r} ${ramdisk_addr_r}#CONFIGURATION ${fdtcontroladdr}
"""
SCRIPTS = {"uboot-bootm": BOOTM, "uboot-booti": BOOTI}


def master_boot_record(sectors, kind):
    """One active partition from PARTITION_START to the end. CHS fields hold the 'use LBA' value."""
    beyond_chs = b"\xfe\xff\xff"
    entry = b"\x80" + beyond_chs + bytes([kind]) + beyond_chs
    first = PARTITION_START // SECTOR
    entry += struct.pack("<II", first, sectors - first)
    return bytes(446) + entry + bytes(48) + b"\x55\xaa"


def run(*command):
    environment = dict(os.environ, MTOOLS_SKIP_CHECK="1", SOURCE_DATE_EPOCH="0")
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if result.returncode:
        raise RuntimeError(f"'{command[0]}' failed: {result.stderr.strip() or result.stdout.strip()}")
    return result.stdout.strip()


def fat_disk(out, files, kind=FAT_LBA):
    """A disk with these files: paths on it, with '/', and where each comes from."""
    out = pathlib.Path(out)
    size = PARTITION_START + SPARE + sum(pathlib.Path(path).stat().st_size for path in files.values())
    sectors = -(-size // PARTITION_START) * PARTITION_START // SECTOR
    out.parent.mkdir(parents=True, exist_ok=True)
    with open(out, "wb") as file:
        file.write(master_boot_record(sectors, kind))
        file.truncate(sectors * SECTOR)
    partition = f"{out}@@{PARTITION_START}"
    run("mformat", "-i", partition, "-T", str(sectors - PARTITION_START // SECTOR), "-h", "16", "-s", "63", "::")
    folders = {parent.as_posix() for name in files for parent in pathlib.PurePosixPath(name).parents} - {"."}
    for folder in sorted(folders):
        run("mmd", "-i", partition, f"::{folder}")
    for name, path in files.items():
        run("mcopy", "-i", partition, str(path), f"::{name}")
    return out


def uefi_files(loader, hypervisor, itb):
    loader = pathlib.Path(loader)
    return {f"EFI/BOOT/{loader.name}": loader, "takt/takt.img": hypervisor, "takt/system.itb": itb}


def uboot_disk(out, boot, hypervisor, itb):
    with tempfile.TemporaryDirectory() as folder:
        source, script = pathlib.Path(folder, "boot.cmd"), pathlib.Path(folder, "boot.scr")
        configuration = run("fdtget", str(itb), "/configurations", "default")
        source.write_text(SCRIPTS[boot].replace("CONFIGURATION", configuration), encoding="ascii")
        run("mkimage", "-A", "arm64", "-T", "script", "-C", "none", "-d", str(source), str(script))
        files = {"boot.scr": script, "system.itb": itb}
        return fat_disk(out, files | ({"takt.Image": hypervisor} if boot == "uboot-booti" else {}))


def boot_disk(out, boot, hypervisor, itb, loader=None):
    """`loader`: for the boot way `uefi`, whose file name is the one that the firmware looks for."""
    if boot != "uefi":
        return uboot_disk(out, boot, hypervisor, itb)
    if loader is None:
        raise RuntimeError("boot way 'uefi' wants the loader, which 'make efi-loader' makes")
    return fat_disk(out, uefi_files(loader, hypervisor, itb), EFI_SYSTEM)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--boot", choices=[*sorted(SCRIPTS), "uefi"], required=True)
    parser.add_argument("--hypervisor", required=True)
    parser.add_argument("--loader", help="the UEFI loader for the machine's architecture")
    parser.add_argument("--out", required=True)
    parser.add_argument("itb")
    args = parser.parse_args()
    try:
        boot_disk(args.out, args.boot, args.hypervisor, args.itb, args.loader)
    except (OSError, RuntimeError) as error:
        print(f"disk: cannot make {args.out}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

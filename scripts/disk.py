#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a medium from which a boot loader starts the hypervisor with nothing typed.

    disk.py --boot WAY --hypervisor takt.Image [--loader BOOT*.EFI] [--bootargs TEXT] --out IMAGE NAME.itb

WAY          medium                        what is on it
uboot-bootm  MBR disk, one FAT partition   boot.scr (found by U-Boot's standard boot order) and system.itb
uboot-booti  the same                      boot.scr, takt.Image and system.itb
uefi         the same                      EFI/BOOT/ the loader, takt/takt.img and takt/system.itb (docs/boot.md)
usb          GPT disk, EFI system partition  the same; said is what it holds and how it comes on a stick
grub         CD-ROM with GRUB for a BIOS   takt.Image and system.itb, by Multiboot 2
"""
import argparse
import hashlib
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

SECTOR = 512
PARTITION_START = 1 << 20
FAT_LBA, EFI_SYSTEM, GPT = 0x0C, 0xEF, None  # types of a partition; GPT: an EFI system partition of such a table
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
# What a stick begins and ends with. The numbers name all our sticks alike, so that equal systems make equal images.
PARTITIONS = """\
label: gpt
label-id: 54414B54-0000-4000-8000-000000000001
start={first}, size={sectors}, type=uefi, name=Takt, uuid=54414B54-0000-4000-8000-000000000002
"""
VOLUME = "54414B54"
FAT32_LEAST = 40 << 20  # what is smaller has too few clusters for FAT32, the one kind that every firmware reads on a GPT disk

WRITE = """\
Write it to a stick, as root. Everything on that stick is lost, and so is everything on your disk if sdX is that one:
`lsblk -o NAME,SIZE,TRAN,MODEL` shows which is which, the stick's TRAN is usb (boards/pc/README.md).
  dd if={out} of=/dev/sdX bs=4M conv=fsync status=progress"""
SCRIPTS = {"uboot-bootm": BOOTM, "uboot-booti": BOOTI}
UEFI_WAYS = ("uefi", "usb")
WAYS = (*SCRIPTS, *UEFI_WAYS, "grub")

# On the serial line, so that what GRUB cannot do is seen; dumb, so that it sends no sequences that move a cursor.
GRUB = """\
serial --unit=0 --speed=115200
terminfo -g 80x25 serial dumb
terminal_output serial
echo GRUB starts Takt
multiboot2 /takt.Image BOOTARGS
module2 /system.itb
boot
"""
GRUB_MODULES = "normal multiboot2 iso9660 biosdisk serial terminfo echo"
GRUB_FOLDER = "/usr/lib/grub/i386-pc"


def master_boot_record(sectors, kind):
    """One active partition from PARTITION_START to the end. CHS fields hold the 'use LBA' value."""
    beyond_chs = b"\xfe\xff\xff"
    entry = b"\x80" + beyond_chs + bytes([kind]) + beyond_chs
    first = PARTITION_START // SECTOR
    entry += struct.pack("<II", first, sectors - first)
    return bytes(446) + entry + bytes(48) + b"\x55\xaa"


def run(*command, text=None):
    """What the command says; `text`: what it reads. sfdisk lies where only root looks for programs."""
    environment = dict(os.environ, MTOOLS_SKIP_CHECK="1", SOURCE_DATE_EPOCH="0",
                       PATH=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin")
    result = subprocess.run(command, input=text, capture_output=True, text=True, env=environment, check=False)
    if result.returncode:
        raise RuntimeError(f"'{command[0]}' failed: {result.stderr.strip() or result.stdout.strip()}")
    return result.stdout.strip()


def fat_disk(out, files, kind=FAT_LBA):
    """A disk with one partition and these files on it: paths there, with '/', and where each comes from."""
    out = pathlib.Path(out)
    first = PARTITION_START // SECTOR
    size = SPARE + sum(pathlib.Path(path).stat().st_size for path in files.values())
    sectors = -(-max(size, FAT32_LEAST if kind is GPT else 0) // PARTITION_START) * first
    with open(out, "wb") as file:
        if kind is not GPT:
            file.write(master_boot_record(first + sectors, kind))
        file.truncate((first + sectors + (first if kind is GPT else 0)) * SECTOR)
    if kind is GPT:
        run("sfdisk", "--quiet", str(out), text=PARTITIONS.format(first=first, sectors=sectors))
    partition = f"{out}@@{PARTITION_START}"
    run("mformat", "-i", partition, "-T", str(sectors), "-h", "16", "-s", "63", "-H", str(first), "-N", VOLUME,
        *(["-F"] if kind is GPT else []), "::")
    folders = {parent.as_posix() for name in files for parent in pathlib.PurePosixPath(name).parents} - {"."}
    for folder in sorted(folders):
        run("mmd", "-i", partition, f"::{folder}")
    for name, path in files.items():
        run("mcopy", "-i", partition, str(path), f"::{name}")
    return out


def uboot_disk(out, boot, hypervisor, itb):
    with tempfile.TemporaryDirectory() as folder:
        source, script = pathlib.Path(folder, "boot.cmd"), pathlib.Path(folder, "boot.scr")
        configuration = run("fdtget", str(itb), "/configurations", "default")
        source.write_text(SCRIPTS[boot].replace("CONFIGURATION", configuration), encoding="ascii")
        run("mkimage", "-A", "arm64", "-T", "script", "-C", "none", "-d", str(source), str(script))
        files = {"boot.scr": script, "system.itb": itb}
        return fat_disk(out, files | ({"takt.Image": hypervisor} if boot == "uboot-booti" else {}))


def uefi_disk(out, boot, loader, hypervisor, itb, bootargs):
    if loader is None or not pathlib.Path(loader).exists():
        raise RuntimeError(f"the loader {loader} is not there; make it with 'make efi-loader'")
    files = {f"EFI/BOOT/{pathlib.Path(loader).name}": loader, "takt/takt.img": hypervisor, "takt/system.itb": itb}
    with tempfile.TemporaryDirectory() as folder:
        if bootargs:
            files["takt/cmdline.txt"] = pathlib.Path(folder, "cmdline.txt")
            files["takt/cmdline.txt"].write_text(bootargs, encoding="ascii")
        return fat_disk(out, files, GPT if boot == "usb" else EFI_SYSTEM)


def grub_cdrom(out, hypervisor, itb, bootargs):
    if not pathlib.Path(GRUB_FOLDER).is_dir():
        raise RuntimeError(f"{GRUB_FOLDER} is missing; run 'make setup' as root (package grub-pc-bin)")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "boot/grub").mkdir(parents=True)
        (folder / "boot/grub/grub.cfg").write_text(GRUB.replace("BOOTARGS", bootargs), encoding="utf-8")
        shutil.copy(hypervisor, folder / "takt.Image")
        shutil.copy(itb, folder / "system.itb")
        run("grub-mkrescue", "-d", GRUB_FOLDER, "--locales=", "--fonts=", "--themes=", f"--install-modules={GRUB_MODULES}",
            "-o", str(out), str(folder))
        return out


def boot_disk(out, boot, hypervisor, itb, loader=None, bootargs=""):
    """`loader`: for the boot ways `uefi` and `usb`, whose file name is the one that the firmware looks for."""
    out = pathlib.Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    if boot == "grub":
        return grub_cdrom(out, hypervisor, itb, bootargs)
    if boot in UEFI_WAYS:
        return uefi_disk(out, boot, loader, hypervisor, itb, bootargs)
    return uboot_disk(out, boot, hypervisor, itb)


def medium(emulated, out, hypervisor, itb):
    """What a machine.Machine starts from, made at `out`; None where the emulator loads both files itself."""
    if emulated.boot == "kernel":
        return None
    # Loaders are built beside the boards: build/BOARD/takt.Image, build/efi/BOOTX64.EFI.
    loader = (pathlib.Path(hypervisor).resolve().parent.parent / "efi" / emulated.setting("efi-loader")
              if emulated.boot in UEFI_WAYS else None)
    return boot_disk(out, emulated.boot, hypervisor, itb, loader, emulated.bootargs)


def manifest(out):
    """What a stick's image holds, read from it, and how it comes on a stick. No device is touched, nor looked at."""
    partition = f"{out}@@{PARTITION_START}"
    names = run("mdir", "-/", "-b", "-i", partition, "::").split()
    with tempfile.TemporaryDirectory() as folder:
        copy, lines = pathlib.Path(folder, "file"), []
        for name in (name for name in names if not name.endswith("/")):
            run("mcopy", "-n", "-i", partition, name, str(copy))
            with open(copy, "rb") as file:
                lines.append(f"  {copy.stat().st_size:>10} {hashlib.file_digest(file, 'sha256').hexdigest()} {name[3:]}")
    size = pathlib.Path(out).stat().st_size
    return "\n".join([f"{out}: {size} bytes ({size >> 20} MiB), for a stick of at least that; bytes and SHA-256 of each file:",
                      *lines, WRITE.format(out=out)])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--boot", choices=sorted(WAYS), required=True)
    parser.add_argument("--hypervisor", required=True)
    parser.add_argument("--loader", help="the UEFI loader for the machine's architecture")
    parser.add_argument("--bootargs", default="", help="the hypervisor's command line (grub, uefi, usb)")
    parser.add_argument("--out", required=True)
    parser.add_argument("itb")
    args = parser.parse_args()
    try:
        boot_disk(args.out, args.boot, args.hypervisor, args.itb, args.loader, args.bootargs)
        if args.boot == "usb":
            print(manifest(args.out))
    except (OSError, RuntimeError) as error:
        print(f"disk: cannot make {args.out}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

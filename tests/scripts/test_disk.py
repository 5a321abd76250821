# SPDX-License-Identifier: Apache-2.0
"""The disk that U-Boot starts from, read back with the tools of the machine."""
import struct
import subprocess

import disk
import pytest

FIT = """/dts-v1/;
/ { description = "test"; #address-cells = <1>; images { a { data = "x"; type = "ramdisk"; }; };
    configurations { default = "main"; main { ramdisk = "a"; }; }; };
"""


@pytest.mark.parametrize("boot, names", [("uboot-bootm", {"boot.scr", "system.itb"}),
                                         ("uboot-booti", {"boot.scr", "system.itb", "takt.Image"})])
def test_disk_holds_what_the_script_loads(tmp_path, boot, names):
    source, itb, image, out = (tmp_path / name for name in ("a.dts", "a.itb", "takt.Image", "disk.img"))
    source.write_text(FIT, encoding="ascii")
    subprocess.run(["dtc", "-q", "-O", "dtb", "-o", itb, source], check=True)
    image.write_bytes(b"image")
    disk.boot_disk(out, boot, image, itb)

    sector = out.read_bytes()[:512]
    start, length = struct.unpack_from("<II", sector, 446 + 8)
    assert sector[510:] == b"\x55\xaa" and sector[446] == 0x80
    assert (start + length) * 512 == out.stat().st_size
    listing = subprocess.run(["mdir", "-b", "-i", f"{out}@@{start * 512}", "::"], check=True, capture_output=True, text=True)
    assert {line.removeprefix("::/") for line in listing.stdout.split()} == names
    script = subprocess.run(["mtype", "-i", f"{out}@@{start * 512}", "::boot.scr"], check=True, capture_output=True)
    assert b"#main" in script.stdout and b"CONFIGURATION" not in script.stdout


def listing_of(folder, *options):
    return set(subprocess.run(["mdir", "-b", *options, folder], check=True, capture_output=True, text=True).stdout.split())


def test_uefi_disk_holds_loader_hypervisor_and_system(tmp_path):
    loader, itb, image, out = (tmp_path / name for name in ("BOOTX64.EFI", "a.itb", "takt.Image", "disk.img"))
    for file in (loader, itb, image):
        file.write_text(file.name, encoding="ascii")
    disk.boot_disk(out, "uefi", image, itb, loader)
    partition = f"{out}@@{disk.PARTITION_START}"
    assert listing_of("::/EFI/BOOT", "-i", partition) == {"::/EFI/BOOT/BOOTX64.EFI"}
    assert listing_of("::/takt", "-i", partition) == {"::/takt/takt.img", "::/takt/system.itb"}
    script = subprocess.run(["mtype", "-i", partition, "::takt/takt.img"], check=True, capture_output=True)
    assert script.stdout == b"takt.Image"


def test_a_missing_loader_is_named(tmp_path):
    with pytest.raises(RuntimeError, match=r"nowhere/BOOTX64\.EFI is not there"):
        disk.boot_disk(tmp_path / "disk.img", "uefi", tmp_path / "i", tmp_path / "s", tmp_path / "nowhere/BOOTX64.EFI")


def test_grub_cdrom_holds_what_its_configuration_loads(tmp_path):
    itb, image, out = (tmp_path / name for name in ("a.itb", "takt.Image", "cd.img"))
    for file in (itb, image):
        file.write_text(file.name, encoding="ascii")
    disk.boot_disk(out, "grub", image, itb, bootargs="quiet trace")
    copied = tmp_path / "grub.cfg"
    subprocess.run(["xorriso", "-osirrox", "on", "-indev", out, "-extract", "/boot/grub/grub.cfg", copied],
                   check=True, capture_output=True)
    assert "multiboot2 /takt.Image quiet trace\nmodule2 /system.itb\nboot\n" in copied.read_text(encoding="ascii")
    found = subprocess.run(["xorriso", "-indev", out, "-find", "/", "-maxdepth", "1"], check=True, capture_output=True, text=True)
    assert "'/takt.Image'" in found.stdout and "'/system.itb'" in found.stdout

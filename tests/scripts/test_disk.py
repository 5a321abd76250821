# SPDX-License-Identifier: Apache-2.0
"""The disks that U-Boot and UEFI start from, read back with the tools of the machine."""
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


def test_uefi_disk_holds_the_loader_under_its_own_name(tmp_path):
    paths = [tmp_path / name for name in ("BOOTAA64.EFI", "takt.Image", "a.itb")]
    for path in paths:
        path.write_bytes(path.name.encode())
    out = disk.boot_disk(tmp_path / "disk.img", "uefi", *paths[1:], paths[0], "quiet trace")
    sector = out.read_bytes()[:512]
    start = struct.unpack_from("<I", sector, 446 + 8)[0] * 512
    assert sector[446 + 4] == disk.EFI_SYSTEM
    for name, text in (("EFI/BOOT/BOOTAA64.EFI", "BOOTAA64.EFI"), ("takt/takt.img", "takt.Image"), ("takt/system.itb", "a.itb"),
                       ("takt/cmdline.txt", "quiet trace")):
        read = subprocess.run(["mtype", "-i", f"{out}@@{start}", f"::{name}"], check=True, capture_output=True)
        assert read.stdout == text.encode()


def test_a_missing_loader_is_named(tmp_path):
    with pytest.raises(RuntimeError, match=r"nowhere/BOOTX64\.EFI is not there; make it with 'make efi-loader'"):
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

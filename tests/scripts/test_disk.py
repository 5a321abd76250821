# SPDX-License-Identifier: Apache-2.0
"""The disks that U-Boot and UEFI start from, read back with the tools of the machine."""
import hashlib
import json
import struct
import subprocess
import sys

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


def test_a_sticks_image_is_a_gpt_disk_with_an_efi_system_partition(tmp_path):
    paths = [tmp_path / name for name in ("BOOTX64.EFI", "takt.Image", "a.itb")]
    for path in paths:
        path.write_bytes(path.name.encode())
    images = [disk.boot_disk(tmp_path / name, "usb", *paths[1:], paths[0]) for name in ("one.img", "two.img")]
    assert images[0].read_bytes() == images[1].read_bytes()
    out = images[0]
    protective = out.read_bytes()[446:512]
    assert protective[4] == 0xEE and protective[16:64] == bytes(48) and protective[64:] == b"\x55\xaa"
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    verified = subprocess.run(["sfdisk", "--verify", out], check=True, capture_output=True, text=True, env=environment)
    assert "No errors detected" in verified.stdout
    table = json.loads(subprocess.run(["sfdisk", "--json", out], check=True, capture_output=True, text=True, env=environment).stdout)
    [partition] = table["partitiontable"]["partitions"]
    assert table["partitiontable"]["label"] == "gpt" and partition["type"] == "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
    info = subprocess.run(["minfo", "-i", f"{out}@@{partition['start'] * 512}", "::"], check=True, capture_output=True, text=True)
    assert f"big size: {partition['size']} sectors" in info.stdout and "hidden sectors: 2048" in info.stdout
    assert 'disk type="FAT32' in info.stdout and "cluster size: 1 sectors" in info.stdout
    assert partition["size"] - 32 - 2 * int(info.stdout.partition("Big fatlen=")[2].split()[0]) > 65525  # clusters: FAT32
    for name, path in (("EFI/BOOT/BOOTX64.EFI", paths[0]), ("takt/takt.img", paths[1]), ("takt/system.itb", paths[2])):
        read = subprocess.run(["mtype", "-i", f"{out}@@{partition['start'] * 512}", f"::{name}"], check=True, capture_output=True)
        assert read.stdout == path.read_bytes()


def test_of_a_stick_is_said_what_it_holds_and_how_it_is_written(tmp_path):
    paths = [tmp_path / name for name in ("BOOTX64.EFI", "takt.Image", "a.itb")]
    for path in paths:
        path.write_bytes(path.name.encode() * 100)
    out = tmp_path / "a.usb.img"
    said = subprocess.run([sys.executable, disk.__file__, "--boot", "usb", "--hypervisor", paths[1], "--loader", paths[0],
                           "--out", out, paths[2]], check=True, capture_output=True, text=True).stdout
    assert said.startswith(f"{out}: {out.stat().st_size} bytes (")
    for name, path in (("EFI/BOOT/BOOTX64.EFI", paths[0]), ("takt/takt.img", paths[1]), ("takt/system.itb", paths[2])):
        assert f"{path.stat().st_size} {hashlib.sha256(path.read_bytes()).hexdigest()} {name}\n" in said
    assert f"dd if={out} of=/dev/sdX bs=4M conv=fsync status=progress\n" in said


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

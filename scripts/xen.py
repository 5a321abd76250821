# SPDX-License-Identifier: Apache-2.0
"""Xen as Debian packages it, with the guests of one of our descriptions and nobody else (dom0less): the peer of
scripts/experiments.py.

The package is downloaded by scripts/fetch_packages.sh and not installed. Xen reads its guests from the machine's device tree:
nodes below /chosen that say where QEMU has put kernel and initrd (Xen's docs/misc/arm/device-tree/booting.txt).
"""
import dataclasses
import io
import os
import pathlib
import re
import struct
import subprocess
import tarfile

import mkimage

UART = "/pl011@9000000"  # of QEMU's virt machine
FILES_AT = 0x50000000    # guests' files, in the machine's memory
FILES_STEP = 0x200000
MEMORY_LEAST = 64 << 20  # of a guest: with 4 MiB it finds no place for the guest's device tree


class XenMissing(Exception):
    """Why there is no Xen, and what to do."""


@dataclasses.dataclass(frozen=True)
class Guest:
    name: str
    memory: int  # bytes
    vcpus: int
    kernel: pathlib.Path
    initrd: pathlib.Path | None
    bootargs: str


def unpack(build, out):
    """Puts the hypervisor's image, out of its package, below `out`; returns its path and the package's version."""
    packages = sorted((build / "packages").glob("xen-hypervisor-*-arm64_*_arm64.deb"))
    if not packages:
        raise XenMissing(f"no package xen-hypervisor-*-arm64 in {build}/packages; the mirror had none when 'make setup' ran")
    version = packages[-1].name.split("_")[1].replace("%3a", ":")
    data = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(packages[-1])], check=True, capture_output=True, timeout=60).stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        names = [name for name in tar.getnames() if re.fullmatch(r"(\./)?boot/xen-[\d.]+-arm64", name)]
        if len(names) != 1:
            raise XenMissing(f"{packages[-1]} has {len(names)} files boot/xen-*-arm64, not one")
        image = tar.extractfile(names[0]).read()
    path = out / "xen.Image"
    mkimage.write_file(str(path), [image])
    return path, version


def guests_of(source):
    """The VMs of a Takt description, in its order; what Xen has no word for, such as a reservation, is left out."""
    found = {}
    for path, name, value in mkimage.properties_of(mkimage.compile_tree(str(source))):
        if path[:1] != ["vms"] or len(path) < 2:
            continue
        vm = found.setdefault(path[1], {"vcpus": 0})
        if len(path) == 2:
            vm[name] = value
        vm["vcpus"] += len(path) == 4 and path[2] == "vcpus" and name == "reg"

    def text(value):
        return value.rstrip(b"\0").decode()

    def file(vm, name):
        return (pathlib.Path(source).parent / text(vm[name])).resolve() if name in vm else None

    return [Guest(name, struct.unpack(">QQ", vm["memory"][:16])[1], vm["vcpus"], file(vm, "kernel"), file(vm, "initrd"),
                  text(vm.get("bootargs", b""))) for name, vm in found.items()]


def modules(guests):
    """(guest, kind, file, address) of all files, each at an address of its own."""
    at = FILES_AT
    for guest in guests:
        for kind, path in (("kernel", guest.kernel), ("ramdisk", guest.initrd)):
            if path is not None:
                yield guest, kind, path, at
                at += -(-os.path.getsize(path) // FILES_STEP) * FILES_STEP


def chosen(guests, bootargs):
    """The text of /chosen: Xen's command line and its guests."""
    nodes = ""
    placed = list(modules(guests))
    for number, guest in enumerate(guests, 1):
        files = "".join(
            f'module@{at:x} {{ compatible = "multiboot,{kind}", "multiboot,module"; '
            f"reg = <0x0 {at:#x} 0x0 {os.path.getsize(path):#x}>; "
            + (f'bootargs = "{guest.bootargs}"; ' if kind == "kernel" else "") + "};\n"
            for owner, kind, path, at in placed if owner is guest)
        nodes += (f'dom{number} {{ compatible = "xen,domain"; #address-cells = <2>; #size-cells = <2>; cpus = <{guest.vcpus}>; '
                  f"memory = <0x0 {max(guest.memory, MEMORY_LEAST) >> 10:#x}>; vpl011;\n{files}}};\n")
    return (f'/ {{ chosen {{ #address-cells = <2>; #size-cells = <2>; xen,xen-bootargs = "{bootargs}";\n'
            f"/delete-property/ stdout-path;\n{nodes}}}; }};\n")


def command(machine, image, guests, options, folder):
    """QEMU's command line for Xen with these guests on that machine. `options`: more of Xen's own."""
    folder.mkdir(parents=True, exist_ok=True)
    board, tree = folder / "board.dtb", folder / "xen.dtb"
    machine.dump_device_tree(board)
    text = subprocess.run(["dtc", "-q", "-I", "dtb", "-O", "dts", str(board)], check=True, capture_output=True, text=True,
                          timeout=60).stdout
    text += chosen(guests, f"console=dtuart dtuart={UART} {options}")
    subprocess.run(["dtc", "-q", "-I", "dts", "-O", "dtb", "-o", str(tree)], input=text, check=True, text=True, timeout=60)
    loaders = []
    for _guest, _kind, path, at in modules(guests):
        loaders += ["-device", f"loader,file={path},addr={at:#x},force-raw=on"]
    return machine.command_with("-kernel", str(image), "-dtb", str(tree), *loaders)

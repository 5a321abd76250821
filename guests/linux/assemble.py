#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Assembles the Linux guest from Debian's packages; nothing is compiled or patched.

    assemble.py [--arch arm64] [--packages build/packages] [--out build/guests/linux]
    assemble.py --init PROGRAM --out FILE.cpio.gz

Takes the newest kernel package of each flavour (one of them is enough; arm64: linux-image-*-cloud-arm64 and
linux-image-*-rt-arm64; x86: linux-image-*-cloud-amd64 and linux-image-*-amd64), busybox-static, rt-tests and the packages
with the shared libraries that cyclictest needs, and writes

    Image-cloud, Image-rt       the kernels, as packaged (x86: bzImage-cloud, bzImage-full)
    initramfs.cpio.gz           busybox, cyclictest, the init script, and for each kernel the virtio
                                modules that it does not have built in

The second form packs an initramfs that holds one program only, linked statically, as /init.

The same packages give the same bytes: entries are sorted, owned by root, and dated 0.
"""

import argparse
import dataclasses
import glob
import gzip
import io
import lzma
import os
import re
import struct
import subprocess
import sys
import tarfile
import tempfile

MODULES = ("virtio_mmio", "virtio_console")
DIRECTORIES = ("bin", "dev", "etc", "lib", "proc", "root", "sys", "tmp")


@dataclasses.dataclass(frozen=True)
class Architecture:
    debian: str       # as Debian names it
    triplet: str      # of the folder with its libraries
    image: str        # what a kernel is called
    magic: bytes      # in a kernel, at magic_offset
    magic_offset: int
    flavours: dict    # name -> the pattern of its package's name between linux-image- and the architecture's


ARCHITECTURES = {
    "arm64": Architecture("arm64", "aarch64-linux-gnu", "Image", b"ARM\x64", 56,
                          {"cloud": "[0-9]*-cloud-", "rt": "[0-9]*-rt-"}),
    # A flavour's name is a word, that of the full kernel has none: what stands before it ends in a digit.
    "x86": Architecture("amd64", "x86_64-linux-gnu", "bzImage", b"HdrS", 0x202,
                        {"cloud": "[0-9]*-cloud-", "full": "[0-9]*[0-9]-"}),
}


def fail(message):
    sys.exit(f"assemble.py: {message}")


def natural(text):
    """A sort key that orders 6.1.0-9 before 6.1.0-10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", text)]


def newest(folder, pattern):
    """The newest package file that the pattern names; None if there is none."""
    found = sorted(glob.glob(os.path.join(folder, pattern)), key=natural)
    return found[-1] if found else None


def required(folder, pattern):
    return newest(folder, pattern) or fail(f"no package {pattern} in {folder}")


class Package:
    """The files of a .deb by path; symbolic links are followed inside the package."""

    def __init__(self, path):
        data = subprocess.run(["dpkg-deb", "--fsys-tarfile", path], check=True, stdout=subprocess.PIPE).stdout
        self.path = path
        self.tar = tarfile.open(fileobj=io.BytesIO(data))
        self.members = {os.path.normpath(member.name): member for member in self.tar}

    def names(self, pattern):
        return sorted(name for name in self.members if re.fullmatch(pattern, name))

    def read(self, name):
        member = self.members[name]
        while member.issym():
            target = member.linkname
            folder = "" if target.startswith("/") else os.path.dirname(os.path.normpath(member.name))
            member = self.members[os.path.normpath(os.path.join(folder, target.lstrip("/")))]
        return self.tar.extractfile(member).read()

    def read_only_one(self, pattern):
        names = self.names(pattern)
        if len(names) != 1:
            fail(f"{self.path} has {len(names)} files {pattern}, not one")
        return names[0], self.read(names[0])


def kernel(package, arch):
    """(release, image) of a kernel package."""
    name, image = package.read_only_one(r"boot/vmlinuz-.*")
    if image[arch.magic_offset : arch.magic_offset + 4] != arch.magic:
        fail(f"{package.path}: {name} is no {arch.image} for {arch.debian}")
    return name.removeprefix("boot/vmlinuz-"), image


def module_files(package):
    """Module name (with _ for -) -> path in the package."""
    files = {}
    for path in package.names(r"(usr/)?lib/modules/.*\.ko(\.xz)?"):
        name = os.path.basename(path).split(".ko")[0].replace("-", "_")
        files[name] = path
    return files


def built_in(package):
    _, text = package.read_only_one(r"(usr/)?lib/modules/[^/]+/modules\.builtin")
    return {os.path.basename(line).removesuffix(".ko").replace("-", "_") for line in text.decode().split()}


def modules(package):
    """[(file name, contents)] of the wanted modules and what they depend on, in loading order."""
    files, inside, order = module_files(package), built_in(package), {}

    def add(name):
        if name in order or name in inside:
            return
        if name not in files:
            fail(f"{package.path} has no module {name}")
        data = package.read(files[name])
        if files[name].endswith(".xz"):
            data = lzma.decompress(data)
        depends = re.search(rb"\0depends=([^\0]*)\0", data)
        for other in depends.group(1).decode().split(",") if depends else []:
            if other:
                add(other.replace("-", "_"))
        order[name] = data

    for name in MODULES:
        add(name)
    return [(name + ".ko", data) for name, data in order.items()]


def elf_needs(data):
    """(interpreter, [shared libraries]) of a 64-bit little-endian ELF file (generic ABI, chapter 5)."""
    pt_load, pt_dynamic, pt_interp, dt_needed, dt_strtab = 1, 2, 3, 1, 5
    offset, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    headers = []
    for i in range(count):
        kind, _, at, address, _, length = struct.unpack_from("<IIQQQQ", data, offset + i * size)
        headers.append((kind, at, address, length))
    interpreter, names, strings = None, [], 0
    for kind, at, _, length in headers:
        if kind == pt_interp:
            interpreter = data[at : at + length].rstrip(b"\0").decode()
        elif kind == pt_dynamic:
            pairs = list(struct.iter_unpack("<QQ", data[at : at + length]))
            names = [value for tag, value in pairs if tag == dt_needed]
            strings = next(value for tag, value in pairs if tag == dt_strtab)
    for kind, at, address, length in headers:
        if kind == pt_load and address <= strings < address + length:
            strings += at - address
            break
    return interpreter, [data[strings + n : data.index(b"\0", strings + n)].decode() for n in names]


def libraries(program, packages, arch):
    """Path in the root file system -> contents, of all that the program loads."""
    found = {}

    def find(name):
        for package in packages:
            for path in package.names(rf"(usr/)?lib(64)?/({arch.triplet}/)?" + re.escape(name)):
                return package.read(path)
        return fail(f"no package has the library {name}")

    def add_needs(data):
        interpreter, needed = elf_needs(data)
        for name in ([os.path.basename(interpreter)] if interpreter else []) + needed:
            if f"lib/{name}" not in found:
                found[f"lib/{name}"] = find(name)
                add_needs(found[f"lib/{name}"])

    add_needs(program)
    return found


class Cpio:
    """An initramfs in the "newc" format (the kernel's buffer-format.rst), gathered and then written in order."""

    FILE, FOLDER, LINK, CHARACTER = 0o100000, 0o040000, 0o120000, 0o020000

    def __init__(self):
        self.entries = {}

    def add(self, path, mode, data=b"", device=(0, 0)):
        folder = os.path.dirname(path)
        if folder and folder not in self.entries:
            self.add(folder, self.FOLDER | 0o755)
        self.entries[path] = (mode, data, device)

    def pack(self):
        out = bytearray()

        def entry(inode, path, mode, data, device):
            links = 2 if mode & 0o170000 == self.FOLDER else 1
            fields = (inode, mode, 0, 0, links, 0, len(data), 0, 0, *device, len(path) + 1, 0)
            out.extend(b"070701" + b"".join(b"%08X" % field for field in fields))
            out.extend(path.encode() + b"\0")
            out.extend(b"\0" * (-len(out) % 4))
            out.extend(data)
            out.extend(b"\0" * (-len(out) % 4))

        for inode, (path, (mode, data, device)) in enumerate(sorted(self.entries.items()), 1):
            entry(inode, path, mode, data, device)
        entry(0, "TRAILER!!!", 0, b"", (0, 0))
        return bytes(out)


def initramfs(folder, kernels, arch):
    cpio = Cpio()
    for name in DIRECTORIES:
        cpio.add(name, cpio.FOLDER | 0o755)
    cpio.add("dev/console", cpio.CHARACTER | 0o600, device=(5, 1))
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "init"), "rb") as script:
        cpio.add("init", cpio.FILE | 0o755, script.read())
    _, busybox = Package(required(folder, f"busybox-static_*_{arch.debian}.deb")).read_only_one(r"(usr/)?bin/busybox")
    cpio.add("bin/busybox", cpio.FILE | 0o755, busybox)
    cpio.add("bin/sh", cpio.LINK | 0o777, b"busybox")
    _, cyclictest = Package(required(folder, f"rt-tests_*_{arch.debian}.deb")).read_only_one(r"usr/bin/cyclictest")
    cpio.add("bin/cyclictest", cpio.FILE | 0o755, cyclictest)
    packages = [Package(newest(folder, f"{name}_*_{arch.debian}.deb")) for name in library_packages(folder, arch)]
    for path, data in libraries(cyclictest, packages, arch).items():
        cpio.add(path, cpio.FILE | 0o755, data)
    # All libraries lie in lib; where the program looks for its interpreter elsewhere, a link leads there.
    loader_folder = os.path.dirname(elf_needs(cyclictest)[0]).strip("/")
    if loader_folder not in cpio.entries:
        cpio.add(loader_folder, cpio.LINK | 0o777, b"lib")
    for release, package in kernels:
        loaded = modules(package)
        for name, data in loaded:
            cpio.add(f"lib/modules/{release}/{name}", cpio.FILE | 0o644, data)
        order = "".join(name + "\n" for name, _ in loaded)
        cpio.add(f"lib/modules/{release}/order", cpio.FILE | 0o644, order.encode())
    return gzip.compress(cpio.pack(), 9, mtime=0)


def single_program(path):
    """An initramfs whose only program is that one."""
    cpio = Cpio()
    cpio.add("dev/console", cpio.CHARACTER | 0o600, device=(5, 1))
    with open(path, "rb") as program:
        cpio.add("init", cpio.FILE | 0o755, program.read())
    return gzip.compress(cpio.pack(), 9, mtime=0)


def library_packages(folder, arch):
    """The names of the packages that hold libraries: all that start with lib."""
    files = glob.glob(os.path.join(folder, f"lib*_{arch.debian}.deb"))
    return sorted({os.path.basename(path).split("_")[0] for path in files})


def write(path, data):
    """Replaces the file in one step, and leaves it alone if nothing changed."""
    if os.path.exists(path):
        with open(path, "rb") as old:
            if old.read() == data:
                return
    with tempfile.NamedTemporaryFile(dir=os.path.dirname(path), delete=False) as new:
        new.write(data)
    os.chmod(new.name, 0o644)
    os.replace(new.name, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--arch", default="arm64", choices=ARCHITECTURES)
    parser.add_argument("--packages", default="build/packages", help="where the .deb files are")
    parser.add_argument("--out", default="build/guests/linux", help="where the results go")
    parser.add_argument("--init", metavar="PROGRAM", help="pack an initramfs of this program alone into the file --out")
    options = parser.parse_args()
    if options.init:
        write(options.out, single_program(options.init))
        return
    os.makedirs(options.out, exist_ok=True)
    arch, kernels = ARCHITECTURES[options.arch], []
    for flavour, pattern in arch.flavours.items():
        path = newest(options.packages, f"linux-image-{pattern}{arch.debian}_*_{arch.debian}.deb")
        if path:
            package = Package(path)
            release, image = kernel(package, arch)
            write(os.path.join(options.out, f"{arch.image}-{flavour}"), image)
            kernels.append((release, package))
    if not kernels:
        fail(f"no kernel package for {arch.debian} ({', '.join(arch.flavours)}) in {options.packages}")
    write(os.path.join(options.out, "initramfs.cpio.gz"), initramfs(options.packages, kernels, arch))


if __name__ == "__main__":
    main()

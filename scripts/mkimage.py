#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Packs one system into one FIT image: the hypervisor, a system description and the guests' files.

NAME.itb         boots: its configuration has the hypervisor as kernel and the system part as ramdisk
NAME.system.itb  the system part alone: description, board data and each guest file once, each with its SHA-256

The trees are written here, not by dtc or mkimage: both read tens of megabytes as text or twice, and neither
can align what lies inside. Data is 8-byte aligned, guest files 64-byte. Format: Devicetree Specification 0.4,
chapter 5; FIT: U-Boot's doc/usage/fit.
"""
import argparse
import hashlib
import os
import struct
import subprocess
import sys

MAGIC, BEGIN_NODE, END_NODE, PROP, NOP, END = 0xD00DFEED, 1, 2, 3, 4, 9
HEADER_SIZE = 40
# Properties of a VM that name files; the value of a table in kernel/sysdesc_nodes.c.
FILE_PROPERTIES = ("kernel", "initrd", "device-tree", "overlay")
# What FIT calls the architectures.
FIT_ARCH = {"arm64": "arm64", "x86": "x86_64"}
# dtc's warnings on buses do not apply: the description has none, its numbers have the sizes of the binding.
DTC = ["dtc", "-q", "-I", "dts", "-O", "dtb", "-W", "no-unit_address_vs_reg", "-W", "no-reg_format",
       "-W", "no-avoid_default_addr_size", "-W", "no-avoid_unnecessary_addr_size"]


class Mistakes(Exception):
    """Everything that is wrong, a line each."""


def file_mistake(data, name, arch):
    """What no file of this kind can be, whatever it is for; None: it may do. A PC starts ELF files, by PVH and Multiboot."""
    if name == "kernel" and arch != "x86" and data.startswith(b"\x7fELF"):
        return "is an ELF file, and neither a Linux Image nor a raw binary; make one with objcopy -O binary"
    return None


# ---- writing a tree --------------------------------------------------------------------------------------------------

class Tree:
    """A flattened tree, written front to back; large values are kept as they are, not copied."""

    def __init__(self):
        self.pieces, self.size = [], 0
        self.strings, self.string_at = bytearray(), {}

    def _add(self, data):
        self.pieces.append(data)
        self.size += len(data)

    def _tag(self, tag):
        self._add(struct.pack(">I", tag))

    def _pad(self):
        self._add(bytes(-self.size % 4))

    def begin(self, name=""):
        self._tag(BEGIN_NODE)
        self._add(name.encode() + b"\0")
        self._pad()

    def end(self):
        self._tag(END_NODE)

    def prop(self, name, value, align=4):
        """`value`: bytes, a string, a list of strings, or a 32-bit number."""
        if isinstance(value, int):
            value = struct.pack(">I", value)
        elif isinstance(value, str):
            value = value.encode() + b"\0"
        elif isinstance(value, list):
            value = b"".join(text.encode() + b"\0" for text in value)
        if name not in self.string_at:
            self.string_at[name] = len(self.strings)
            self.strings += name.encode() + b"\0"
        while (self._start() + self.size + 12) % align:
            self._tag(NOP)
        self._tag(PROP)
        self._add(struct.pack(">II", len(value), self.string_at[name]))
        self._add(value)
        self._pad()

    @staticmethod
    def _start():
        return HEADER_SIZE + 16  # the header and an empty reservation map

    def write(self):
        """The pieces of the whole file."""
        self._tag(END)
        start = self._start()
        strings = start + self.size
        total = strings + len(self.strings)
        padding = -total % 8
        header = struct.pack(">10I", MAGIC, total + padding, start, strings, HEADER_SIZE, 17, 16, 0,
                             len(self.strings), self.size)
        return [header, bytes(16), *self.pieces, bytes(self.strings), bytes(padding)]


def add_image(tree, name, data, properties, align):
    tree.begin(name)
    for key, value in properties.items():
        tree.prop(key, value)
    tree.prop("data", data, align)
    tree.begin("hash-1")
    tree.prop("algo", "sha256")
    tree.prop("value", hashlib.sha256(data).digest())
    tree.end()
    tree.end()


def begin_fit(description, properties=()):
    tree = Tree()
    tree.begin()
    tree.prop("description", description)
    tree.prop("#address-cells", 1)
    # FIT wants a time; a fixed one keeps images reproducible.
    tree.prop("timestamp", int(os.environ.get("SOURCE_DATE_EPOCH", "0")) & 0xFFFFFFFF)
    for key, value in properties:
        tree.prop(key, value)
    tree.begin("images")
    return tree


# ---- reading a compiled description ----------------------------------------------------------------------------------

def properties_of(dtb):
    """(path, name, value) of every property of what dtc has just written."""
    header = struct.unpack_from(">10I", dtb)
    at, strings = header[2], header[3]
    path = []
    while True:
        (tag,) = struct.unpack_from(">I", dtb, at)
        at += 4
        if tag == BEGIN_NODE:
            end = dtb.index(b"\0", at)
            path.append(dtb[at:end].decode())
            at = (end + 4) & ~3
        elif tag == END_NODE:
            path.pop()
        elif tag == PROP:
            size, name = struct.unpack_from(">II", dtb, at)
            end = dtb.index(b"\0", strings + name)
            yield path[1:], dtb[strings + name:end].decode(), dtb[at + 8:at + 8 + size]
            at = (at + 8 + size + 3) & ~3
        elif tag == END:
            return


def compile_tree(source, more=""):
    """`more`: what is to stand behind its text."""
    folder = os.path.dirname(source) or "."
    given = {"input": f'/include/ "{os.path.abspath(source)}"\n{more}\n'.encode()} if more else {}
    result = subprocess.run([*DTC, "-i", folder, "-" if more else source], capture_output=True, check=False, **given)
    if result.returncode != 0:
        raise Mistakes((result.stderr.decode(errors="replace").strip() or f"{source}: dtc failed").splitlines())
    sys.stderr.write(result.stderr.decode(errors="replace"))
    return result.stdout


def named_files(dtb):
    """(node, property, path as written) of every guest file that the description names."""
    for path, name, value in properties_of(dtb):
        if len(path) == 2 and path[0] == "vms" and name in FILE_PROPERTIES and value.endswith(b"\0") and len(value) > 1:
            yield "/" + "/".join(path), name, value[:-1].decode(errors="replace")


def collect_files(source, dtb, arch, partial=False):
    """{real path: (data, [paths as written])}, each file once, and what is wrong with them. `partial`: without those that
    cannot be read, of which the checker says that they are missing."""
    files, mistakes = {}, []
    for node, name, path in named_files(dtb):
        real = os.path.realpath(os.path.join(os.path.dirname(source), path))
        try:
            if real not in files:
                with open(real, "rb") as file:
                    files[real] = (file.read(), [])
        except OSError as error:
            if partial:
                print(f'{source}:{node}:{name}: note: looked for "{path}" at {real}: {error.strerror}', file=sys.stderr)
                continue
            mistakes.append(f'{source}:{node}:{name}: cannot read "{path}": {error.strerror}; '
                            "file names are relative to the description")
            continue
        wrong = file_mistake(files[real][0], name, arch)
        if wrong:
            mistakes.append(f'{source}:{node}:{name}: "{path}" {wrong}')
        if path not in files[real][1]:
            files[real][1].append(path)
    return files, mistakes


# ---- the two images --------------------------------------------------------------------------------------------------

def system_fit(source, board, arch, partial=False, more=""):
    """The system part, as bytes, and what is wrong with its files; without `partial` that is an exception."""
    mistakes, trees = [], {}
    for name, path, text in (("system", source, more), ("board", board, "")):
        try:
            trees[name] = compile_tree(path, text)
        except Mistakes as error:
            mistakes += error.args[0]
    if mistakes:
        raise Mistakes(mistakes)
    files, mistakes = collect_files(source, trees["system"], arch, partial)
    if mistakes and not partial:
        raise Mistakes(mistakes)
    fit = begin_fit("Takt system", [("takt,source", source)])
    for name, dtb in trees.items():
        add_image(fit, name, dtb, {"description": "system description" if name == "system" else "board data",
                                   "type": "flat_dt", "compression": "none"}, 8)
    for index, (data, paths) in enumerate(files.values()):
        add_image(fit, f"file-{index}", data, {"description": paths[0], "type": "firmware", "compression": "none",
                                               "takt,paths": paths}, 64)
    fit.end()
    fit.end()
    return b"".join(fit.write()), mistakes


def outer_fit(hypervisor, system, arch):
    """The pieces of the image that boots. kernel_noload: the hypervisor's Image is position independent, and U-Boot
    moves it where its header wants it."""
    fit = begin_fit("Takt and its system")
    common = {"arch": arch, "os": "linux", "compression": "none"}
    add_image(fit, "hypervisor", hypervisor,
              {"description": "Takt", "type": "kernel_noload", **common, "load": 0, "entry": 0}, 64)
    add_image(fit, "system", system, {"description": "system part", "type": "ramdisk", **common}, 64)
    fit.end()
    fit.begin("configurations")
    fit.prop("default", "takt")
    fit.begin("takt")
    fit.prop("description", "Takt and its system")
    fit.prop("kernel", "hypervisor")
    fit.prop("ramdisk", "system")
    fit.end()
    fit.end()
    fit.end()
    return fit.write()


def write_file(path, pieces):
    """Complete or not at all: a reader never sees half an image."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path + ".new", "wb") as file:
        file.writelines(pieces)
    os.replace(path + ".new", path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--board", required=True, help="a folder of boards/, for its board.dts")
    parser.add_argument("--board-data", help="another file in place of that board.dts")
    parser.add_argument("--arch", choices=FIT_ARCH, default="arm64", help="the hypervisor's (default: %(default)s)")
    parser.add_argument("--hypervisor", help="the hypervisor's Image; without it only the system part is made")
    parser.add_argument("--partial", action="store_true",
                        help="write it whatever is wrong with guest files, for the checker to say all else; those that "
                             "cannot be read are left to it too")
    parser.add_argument("--append", default="", metavar="TEXT", help="device tree source that stands behind the description")
    parser.add_argument("--out", required=True, help="NAME.itb; NAME.system.itb comes beside it")
    parser.add_argument("system", help="the system description, a .dts")
    args = parser.parse_args()
    if not args.out.endswith(".itb"):
        parser.error("--out must end in .itb")
    board = args.board_data or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "boards", args.board,
                                            "board.dts")
    try:
        system, mistakes = system_fit(args.system, os.path.relpath(board), args.arch, args.partial, args.append)
        write_file(args.out[:-4] + ".system.itb", [system])
        if args.hypervisor:
            with open(args.hypervisor, "rb") as file:
                hypervisor = file.read()
            write_file(args.out, outer_fit(hypervisor, system, FIT_ARCH[args.arch]))
        if mistakes:
            raise Mistakes(mistakes)
    except Mistakes as error:
        print("\n".join(error.args[0]), file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

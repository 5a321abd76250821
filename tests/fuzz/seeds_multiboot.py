# SPDX-License-Identifier: Apache-2.0
"""Valid inputs for fuzz_multiboot: one of each kind, as a boot loader leaves them at address 0x1000."""
import struct

INFO = 0x1000


def multiboot1():
    entries = b"".join(struct.pack("<IQQI", 20, *entry) for entry in ((0, 0x9fc00, 1), (0x100000, 0x3ff00000, 1)))
    head = 56
    modules = struct.pack("<IIII", 0x200000, 0x234000, 0, 0)
    command = b"takt quiet\0"
    info = bytearray(head)
    struct.pack_into("<I", info, 0, 1 << 2 | 1 << 3 | 1 << 6)
    struct.pack_into("<III", info, 16, INFO + head + len(entries) + len(modules), 1, INFO + head + len(entries))
    struct.pack_into("<II", info, 44, len(entries), INFO + head)
    return b"\0" + bytes(info) + entries + modules + command


def tag(kind, body):
    data = struct.pack("<II", kind, 8 + len(body)) + body
    return data + bytes(-len(data) % 8)


def multiboot2():
    entries = b"".join(struct.pack("<QQII", *entry, 0) for entry in ((0, 0x9fc00, 1), (0xfee00000, 0x1000, 2)))
    tags = tag(1, b"quiet\0") + tag(3, struct.pack("<II", 0x400000, 0x500000) + b"\0")
    tags += tag(6, struct.pack("<II", 24, 0) + entries) + tag(14, bytes(20)) + tag(15, bytes(36)) + tag(0, b"")
    return b"\1" + struct.pack("<II", 8 + len(tags), 0) + tags


def seeds():
    return {"multiboot1": multiboot1(), "multiboot2": multiboot2()}

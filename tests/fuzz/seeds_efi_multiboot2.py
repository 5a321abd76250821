# SPDX-License-Identifier: Apache-2.0
"""Valid inputs for fuzz_efi_multiboot2: flat kernels with a Multiboot2 header."""
import struct

MAGIC, LOAD = 0xE85250D6, 0x200000


def kernel(at, *tags, load=LOAD):
    body = b"".join(tag + bytes(-len(tag) % 8) for tag in tags) + struct.pack("<HHI", 0, 0, 8)
    length = 16 + len(body)
    header = struct.pack("<IIII", MAGIC, 0, length, -(MAGIC + length) & 0xFFFFFFFF) + body
    return (bytes(at) + header).ljust(512, b"\x90")


def address(at, load=LOAD, end=LOAD + 512, bss=LOAD + 1024):
    return struct.pack("<HHIIIII", 2, 0, 24, LOAD + at, load, end, bss)


def entry(offset):
    return struct.pack("<HHII", 3, 0, 12, LOAD + offset)


def seeds():
    relocatable = struct.pack("<HHIIIII", 10, 0, 24, 0, 0xFFFFFFFF, 2 << 20, 1)
    return {"plain": kernel(0, address(0), entry(256)), "later": kernel(64, address(64), entry(300)),
            "defaults": kernel(8, address(8, 0xFFFFFFFF, 0, 0), entry(300)),
            "tags": kernel(0, address(0), entry(256), relocatable, struct.pack("<HHI", 9, 1, 8), struct.pack("<HHI", 6, 0, 8)),
            "unknown": kernel(0, address(0), entry(256), struct.pack("<HHI", 9, 0, 8))}

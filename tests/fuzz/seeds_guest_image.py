# SPDX-License-Identifier: Apache-2.0
"""Valid inputs for fuzz_guest_image: the smallest file of each kind, behind the two bytes of memory and initrd."""
import struct

HEAD = b"\x04\x02"  # 80 MiB, an initrd of 100,000 bytes


def bzimage():
    file = bytearray(0x600 + 0x400)
    for at, form, *values in ((0x1f1, "B", 2), (0x1f4, "I", 0x40), (0x1fe, "H", 0xaa55), (0x200, "H", 0x6aeb),
                              (0x202, "4s", b"HdrS"), (0x206, "H", 0x20f), (0x211, "B", 1),
                              (0x22c, "IIB", 0x7fffffff, 0x200000, 1), (0x236, "HI", 3, 2047),
                              (0x258, "QI", 0x1000000, 0x300000)):
        struct.pack_into("<" + form, file, at, *values)
    return bytes(file)


def elf(bits, notes, code, machine):
    header, step = (64, 56) if bits == 64 else (52, 32)
    begin = header + 2 * step
    identity = b"\x7fELF" + bytes((bits // 32, 1, 1)) + bytes(9)
    word = "Q" if bits == 64 else "I"
    file = identity + struct.pack(f"<HHI3{word}IHHHHHH", 2, machine, 1, 0x100000, header, 0, 0, header, step, 2, 0, 0, 0)
    for kind, at, size, memory in ((4, begin, len(notes), len(notes)), (1, begin + len(notes), len(code), 0x2000)):
        if bits == 64:
            file += struct.pack("<II6Q", kind, 5, at, 0xc0100000, 0x100000, size, memory, 4)
        else:
            file += struct.pack("<8I", kind, at, 0xc0100000, 0x100000, size, memory, 5, 4)
    return file + notes + code


def note(name, description):
    return struct.pack("<III", len(name), len(description), 18) + name + bytes(-len(name) % 4) + description


def multiboot(flags, *addresses):
    magic = 0x1badb002
    return struct.pack("<III", magic, flags, -(magic + flags) & 0xffffffff) + struct.pack(f"<{len(addresses)}I", *addresses)


def seeds():
    notes = note(b"GNU\0", bytes(4)) + note(b"Xen\0", struct.pack("<I", 0x100000))
    wide = note(b"Xen\0", struct.pack("<Q", 0x100000))
    flat = bytes(64) + multiboot(1 << 16 | 3, 0x100040, 0x100000, 0, 0x101000, 0x100000) + bytes(64)
    files = {"bzimage": bzimage(), "pvh32": elf(32, notes, bytes(64), 3), "pvh64": elf(64, wide, bytes(64), 62),
             "multiboot": elf(32, b"", multiboot(3) + bytes(52), 3), "flat": flat, "raw": b"\xeb\xfe"}
    return {name: HEAD + file for name, file in files.items()} | {"boot_sector": b"\0\0" + bytes(512)}

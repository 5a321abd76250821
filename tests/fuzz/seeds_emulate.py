# SPDX-License-Identifier: Apache-2.0
"""Inputs for fuzz_emulate: a guest's registers, page tables and an instruction; see the target."""
import struct

CR3, CODE, DATA, NEXT, DEVICE = 0x3000, 0x1000, 0x2000, 0x2000, 0x70000000
PG, WP, PSE, PAE, LA57, SMEP, SMAP, LMA, NXE = 1 << 31, 1 << 16, 16, 32, 1 << 12, 1 << 20, 1 << 21, 1 << 10, 1 << 11
P, RW, US, A, D, PS = 1, 2, 4, 0x20, 0x40, 0x80
ALL = P | RW | US | A | D

# name: (mode, CR0, CR4, EFER, bits of an index for each level from the top, bytes of an entry)
FORMATS = {"none16": (0, 0, 0, 0, [], 4), "none32": (1, 0, 0, 0, [], 4), "legacy": (1, PG | WP, PSE, 0, [10, 10], 4),
           "pae": (1, PG, PAE, NXE, [2, 9, 9], 8), "levels4": (2, PG | WP, PAE, LMA | NXE, [9] * 4, 8),
           "levels5": (2, PG | WP, PAE | LA57, LMA, [9] * 5, 8), "compat": (1, PG, PAE, LMA | NXE, [9] * 4, 8)}
LINEAR_CODE, LINEAR_DATA, LINEAR_DEVICE = 0x400000, 0x401000, 0x402000
CODES = ("8903 8b03 0103 8703 0fb103 0fb603 480fbe03 c70301020304 c60355 a5 f3a5 f3a4 66a5 aa f3aa ac f3a6 f2ae 0fa2 f4 0fab03 "
         "f00fc103 833b01 898380000000 0f1103 0f0103 6689030000 488903 f08903 66666666666666666666666666666666 f30f380003 0f38f003").split()


class Guest:
    def __init__(self, name):
        self.mode, self.cr0, self.cr4, self.efer, self.bits, self.size = FORMATS[name]
        self.rights, self.pieces, self.tables, self.next = ALL, [], {}, CR3 + 0x1000

    def piece(self, where, data):
        for at in range(0, len(data), 8):
            self.pieces.append(struct.pack("<H", where + at) + data[at:at + 8].ljust(8, b"\0"))

    def entry(self, at, value):
        # A piece has 8 bytes: two entries of 4 stand together.
        if self.size == 4:
            self.tables[at] = value
            base = at & ~7
            self.piece(base, struct.pack("<2I", self.tables.get(base, 0), self.tables.get(base + 4, 0)))
        else:
            self.tables[at] = value
            self.piece(at, struct.pack("<Q", value))

    def map(self, linear, gpa, rights, large=False):
        if not self.bits:
            return
        table, shift = CR3, 12 + sum(self.bits)
        for level, bits in enumerate(self.bits):
            shift -= bits
            at = table + (linear >> shift & (1 << bits) - 1) * self.size
            if level == len(self.bits) - 1 or (large and level == len(self.bits) - 2):
                self.entry(at, gpa | rights | (PS if large else 0))
                return
            if at not in self.tables:
                self.entry(at, self.next | (P if len(self.bits) == 3 and level == 0 else P | RW | US))
                self.next += 0x1000
            table = self.tables[at] & ~0xfff


def guest(name, code, swap=False, kind=2, write=False, cpl=0, failing=0, cr4=0, rights=ALL, near=False, large=False):
    g = Guest(name)
    paged = bool(g.bits)
    linear_code = LINEAR_CODE if paged else CODE
    data, device = (LINEAR_DATA, LINEAR_DEVICE) if paged else (DATA, DEVICE)
    g.map(LINEAR_CODE, CODE, P | US | (0 if large else A))
    g.map(LINEAR_DATA, DATA, rights)
    g.map(LINEAR_DEVICE, 0x40000000 if large else DEVICE, ALL & ~A if large else ALL, False)
    if large:
        g.map(0x800000, DEVICE, ALL, True)
        device = 0x800000
    offset = 0xffe if near else 0
    g.piece(CODE + offset, bytes.fromhex(code))
    gpr = [0x1122334455667700 + i for i in range(16)]
    gpr[1], gpr[3] = 3, device
    gpr[6], gpr[7] = (data + 0xffe if near else data, device) if swap else (device, data)
    return struct.pack("<4B5I4Q16Q", g.mode | (4 if write else 0) | kind << 3, cpl | failing << 2, 8, 4, 0x202, g.cr0, g.cr4 | cr4,
                       g.efer, DEVICE, CR3 if paged else 0, linear_code + offset, 0, 0x8899aabbccddeeff, *gpr) + b"".join(g.pieces)


def seeds():
    found = {}
    for name in FORMATS:
        for code in CODES:
            for swap in (False, True):
                found[f"{name}-{code}-{swap}"] = guest(name, code, swap, write=swap)
            found[f"{name}-{code}-decode"] = guest(name, code, kind=0)
        found[f"{name}-length"] = guest(name, "0fa2", kind=0)
        found[f"{name}-near"] = guest(name, "0fa2", kind=0, near=True)
        for code in ("a5", "f3a5", "48a5"):
            found[f"{name}-near-{code}"] = guest(name, code, True, write=True, near=True)
            found[f"{name}-user-{code}"] = guest(name, code, cpl=3)
            found[f"{name}-user-kernels-{code}"] = guest(name, code, cpl=3, rights=P | RW)
            found[f"{name}-readonly-{code}"] = guest(name, code, rights=P | A)
            found[f"{name}-unmarked-{code}"] = guest(name, code, rights=P | RW)
            found[f"{name}-smap-{code}"] = guest(name, code, cr4=SMAP)
            found[f"{name}-smep-{code}"] = guest(name, code, cr4=SMEP)
        for failing in range(1, 37):
            found[f"{name}-fails{failing}"] = guest(name, "0103", rights=P | RW, failing=failing, write=failing > 32)
        found[f"{name}-large"] = guest(name, "8903", large=True)
        found[f"{name}-large-update"] = guest(name, "0103", large=True)
    return found

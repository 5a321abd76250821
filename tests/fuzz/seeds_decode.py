# SPDX-License-Identifier: Apache-2.0
"""Inputs for fuzz_decode: a byte of mode, an instruction, and values for what it uses; see the target."""
import struct

MODES = {"16": 0, "32": 1, "64": 2}
VALUES = struct.pack("<4Q", 0x7fffffffffffffff, 0x8000000000000001, 0x55, 0x202)

# ModRM in groups: reg field n with memory at [rBX]; SIB; RIP or an offset; a displacement of either size; a register.
MODRM = {"plain": "03", "reg7": "3f", "sib": "04d8", "sib-no-base": "0c25f0ffffff", "offset": "05f0ffffff",
         "disp8": "43f0", "disp32": "83f0ffffff", "sib-disp32": "84b4f0ffffff", "register": "c3"}

WITH_MODRM = ("88 89 8a 8b 00 09 12 1b 20 29 32 3b 38 3a 84 85 86 87 63 fe ff 0fb6 0fb7 0fbe 0fbf 0fa3 0fab 0fb3 0fbb 0fb0 "
              "0fb1 0fc0 0fc1 0fc3 0f38f0 0f38f1 0f20 0f22 0f23 0f78 c4 62 8f").split()
WITH_IMMEDIATE = {"c6": "7f", "c7": "01020304", "80": "ff", "81": "fffefdfc", "83": "80", "f6": "01", "f7": "01020304",
                  "0fba": "21"}
GROUPS = "80 83 f6 f7 fe 0f00 0f01 0fba 0fc7".split()
WITHOUT = ("a010203040506070 a310203040506070 a4 a7 aa ad ae f4 cc cd80 ce cf 9c 9d e470 e680 ec ef 6c 6f f390 0fa2 0f30 0f32 "
           "0f31 0f33 0f06 0f08 0f09 f30f09 0faa 0f01c1 0f01d9 0f01f9 c5f97e03 62f17c48 8fe8 90").split()
PREFIXES = {"none": "", "size": "66", "address": "67", "segment": "65", "rep": "f3", "repne": "f2", "lock": "f0",
            "wide": "48", "all-registers": "4f", "late": "4866"}


def seeds():
    found = {}

    def add(name, mode, code):
        found[f"{name}-{mode}"] = bytes([MODES[mode]]) + bytes.fromhex(code) + VALUES

    for mode in MODES:
        for opcode in [*WITH_MODRM, *WITH_IMMEDIATE]:
            for name, modrm in MODRM.items():
                add(f"{opcode}-{name}", mode, opcode + modrm + WITH_IMMEDIATE.get(opcode, ""))
        for opcode in GROUPS:
            for reg in range(8):
                add(f"{opcode}-group{reg}", mode, f"{opcode}{reg << 3 | 3:02x}{WITH_IMMEDIATE.get(opcode, '')}")
        for name, prefix in PREFIXES.items():
            for opcode in ("8903", "0103", "0fbe03", "a4", "0f20c0", "0f38f003", "0fc733", "0f388203"):
                add(f"{name}-{opcode}", mode, prefix + opcode)
        for code in WITHOUT:
            add(code, mode, code)
        for rm in range(8):
            add(f"rm{rm}", mode, f"67c6{0x40 | rm:02x}10ff")
            add(f"rm{rm}-plain", mode, f"67c6{rm:02x}1020304050")
        add("too-long", mode, "66" * 15)
        add("long", mode, "67" * 5 + "c7848800000000")
    found["short-64"] = bytes([2, 0xc7, 0x84])
    return found

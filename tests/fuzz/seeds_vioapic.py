# SPDX-License-Identifier: Apache-2.0
"""Inputs for fuzz_vioapic: a byte of machine, then steps (what, where, value); see the target."""
import struct

READ_PAGE, WRITE_PAGE, WRITE, READ, LINE, PULSE, EOI, EOI_REGISTER, RESET = range(9)
LEVEL, MASKED, LOGICAL = 1 << 15, 1 << 16, 1 << 11
REDTBL = 0x10


def step(what, where=0, value=0):
    return struct.pack("<BBI", what, where, value)


def entry(pin, low, destination=0):
    return step(WRITE, REDTBL + 2 * pin + 1, destination << 24) + step(WRITE, REDTBL + 2 * pin, low)


def line(pin, asserted):
    return step(LINE, pin, asserted)


def edges():
    out = b""
    for mode in range(8):
        out += entry(mode, mode << 8 | 0x40 + mode, 0xff) + line(mode, 1) + line(mode, 0) + step(PULSE, mode)
    return out + entry(1, MASKED | 0x40) + step(PULSE, 1) + entry(1, LOGICAL | 0x40) + line(1, 1) + step(PULSE, 1)


def levels():
    out = b""
    for mode in range(8):
        out += entry(mode, LEVEL | mode << 8 | 0x61, mode) + line(mode, 1) + step(READ, REDTBL + 2 * mode)
    out += step(EOI, 0x61) + line(0, 0) + step(EOI, 0x61) + step(EOI_REGISTER, 0, 0x61) + step(EOI, 0x62)
    out += entry(1, LEVEL | MASKED | 0x61) + step(EOI, 0x61) + entry(1, LEVEL | 0x61) + entry(1, 0x61) + entry(1, LEVEL | 0x61)
    return out + step(RESET) + step(EOI, 0x61) + line(1, 1)


def registers():
    return b"".join(step(WRITE, n, 0xffffffff) + step(READ, n) for n in (*range(4), *range(REDTBL, REDTBL + 8), 0x3e, 0x6e, 0x70))


def page():
    return b"".join(step(READ_PAGE, size, n) + step(WRITE_PAGE, size, n)
                    for size in range(4) for n in (0, 0x10, 0x40, 0xffc, 0x1000))


def seeds():
    out = {}
    for machine in (1, 24, 48, 0, 63):
        head = bytes([machine])
        out[f"{machine}-edges"] = head + edges()
        out[f"{machine}-levels"] = head + levels()
        out[f"{machine}-registers"] = head + registers()
        out[f"{machine}-page"] = head + page()
    return out

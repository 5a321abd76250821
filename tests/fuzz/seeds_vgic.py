# SPDX-License-Identifier: Apache-2.0
"""Inputs for fuzz_vgic: a byte of machine, then steps (what, core, where, value); see the target."""
import struct

LINE_UP, LINE_DOWN, PULSE, TIMER, DEVICE, EXPIRE, LEVEL, SWITCH, WAIT, SGI, RESTART, SETTLE = range(12)
TAKE, END, READ, WRITE = 14, 17, 20, 25
LEAVE = 0x80  # in the core: it goes back to its guest afterwards
WORD = 2 << 6  # in what: a 32-bit access
(CTLR, IGROUPR, ISENABLER, ICENABLER, ISPENDR, ICPENDR, ISACTIVER, ICACTIVER, IPRIORITYR, ITARGETSR, ICFGR, SGIR, CPENDSGIR,
 IROUTER, PIDR2, ANYWHERE) = range(16)
REDISTRIBUTOR = 0x40
VTIMER = 27


def step(what, core=0, where=0, where2=0, value=0):
    return struct.pack("<4BI", what, core | LEAVE, where, where2, value)


def write(row, value, core=0, offset=0, redistributor=None, size=WORD):
    flags = 0 if redistributor is None else REDISTRIBUTOR | redistributor << 4
    return step(WRITE | size, core, row | flags, offset, value)


def read(row, core=0, offset=0, redistributor=None):
    flags = 0 if redistributor is None else REDISTRIBUTOR | redistributor << 4
    return step(READ | WORD, core, row | flags, offset)


def start(version):
    out = write(CTLR, 3) + write(IGROUPR, 0xffffffff, offset=4) + write(ISENABLER, 0xffffffff, offset=4)
    for core in range(3):
        frame = core if version == 3 else None
        out += write(IGROUPR, 0xffffffff, core, redistributor=frame)
        out += write(ISENABLER, 0xffffffff, core, redistributor=frame)
    return out


BUSY = 8  # in the machine: an interrupt always waits


def machine(version, list_registers):
    return bytes([(version == 3) | {1: 0, 2: 1, 4: 2, 16: 3}[list_registers] << 1])


def seeds():
    out = {}
    for version in (2, 3):
        for lrs in (1, 2, 4, 16):
            own = 0 if version == 3 else None
            name = f"v{version}-{lrs}"
            head = machine(version, lrs) + start(version)
            out[f"{name}-timer"] = head + b"".join(
                step(TIMER) + step(TAKE) + step(SWITCH) + step(EXPIRE) + step(SWITCH) + step(END) + step(WAIT) +
                step(EXPIRE) + step(LEVEL) for _ in range(4))
            out[f"{name}-nested"] = head + b"".join(
                write(IPRIORITYR, 0xf8 - 16 * n, offset=40 + n, size=0) + step(PULSE, where=40 + n) + step(TAKE)
                for n in range(8)) + step(END) * 8
            out[f"{name}-level"] = head + b"".join(
                step(LINE_UP, where=n) + step(TAKE) + read(ISPENDR, offset=4) + step(END) + step(TAKE) +
                step(LINE_DOWN, where=n) + step(END) for n in (33, 50, 20))
            out[f"{name}-sgi"] = head + b"".join(
                struct.pack("<4BI", SGI, core | LEAVE, 0, core & 1, target) + step(SETTLE) + step(TAKE, 1) + step(END, 1)
                for core in range(3) for target in ((0x05000002, 0x05000003) if version == 3 else (0x20005, 0x1000005)))
            out[f"{name}-route"] = head + b"".join(
                write(ICFGR, 0xffffffff, offset=8) + step(PULSE, where=33) + write(IROUTER, n, offset=1) +
                write(ITARGETSR, 0x01020400, offset=32) + step(SETTLE) + step(TAKE, n) + step(DEVICE, where2=n) +
                step(END, n) + read(ISACTIVER, 2, 4) for n in range(3))
            out[f"{name}-hand"] = head + b"".join(
                write(row, 0xf0f00ff0, core, 0, own) + write(row, 0x00ff00f0, core, 4) + read(row, core, 4) +
                read(row, core, 0, own) + step(TAKE, core)
                for core, row in enumerate((ISACTIVER, ISPENDR, ICACTIVER, ICPENDR, ICENABLER, IGROUPR, ISENABLER)))
            out[f"{name}-life"] = head + step(PULSE, where=40) + step(TAKE) + b"".join(
                step(RESTART, n, n) + step(SWITCH, n) + step(PULSE, n, 41) for n in range(3)) + b"".join(
                    read(row) + write(row, 2, size=s << 6) for s in range(4) for row in (CTLR, SGIR, CPENDSGIR, PIDR2))
    return out | {f"{name}-busy": bytes([seed[0] | BUSY]) + seed[1:] for name, seed in out.items()}

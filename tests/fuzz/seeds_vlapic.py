# SPDX-License-Identifier: Apache-2.0
"""Inputs for fuzz_vlapic: a byte of machine, then steps (what, VCPU, where, value); see the target."""
import struct

(MMIO_READ, MMIO_WRITE, PAGE_WRITE, PAGE_READ, MSR_READ, MSR_WRITE, BASE, DEADLINE, OFFSET, PASS, UNTIL, ENTER, EOI,
 MESSAGE, TPR, RESET) = range(16)
(APIC_TPR, APIC_EOI, APIC_LDR, APIC_DFR, APIC_SVR, APIC_ESR, ICR, ICR_HIGH, LVT_TIMER, LVT_ERROR, INITIAL,
 CURRENT, DIVIDE, SELF) = (0x08, 0x0b, 0x0d, 0x0e, 0x0f, 0x28, 0x30, 0x31, 0x32, 0x37, 0x38, 0x39, 0x3e, 0x3f)
ENABLED, X2APIC = 0x800, 0xc00
PERIODIC, TSC, MASKED = 1 << 17, 2 << 17, 1 << 16
NMI, INIT, STARTUP, EXTINT, LOWEST = 0x400, 0x500, 0x600, 0x700, 0x100
FACES = (0, X2APIC)


def step(what, core=0, where=0, value=0):
    return struct.pack("<BBHI", what, core, where, value)


def write(face, register, value, core=0, high=0):
    if face == X2APIC:
        return step(MSR_WRITE, core, register | high << 8, value)
    return step(PAGE_WRITE, core, register, value)


def into(face):
    return b"".join(step(BASE, core, 0, face | 0x100) for core in range(3)) if face else b""


def timers(face):
    out = into(face)
    for mode in (0, PERIODIC, TSC, PERIODIC | TSC):
        out += write(face, LVT_TIMER, 0x60 | mode) + write(face, DIVIDE, 0xb) + write(face, INITIAL, 1000)
        out += step(DEADLINE, 0, 1, 5000) + step(OFFSET, 0, 3, 77) + step(UNTIL) + step(ENTER) + step(EOI)
        out += step(PASS, 0, 0x700, 300) + step(PAGE_READ, 0, CURRENT) + step(MSR_READ, 0, CURRENT) + step(PASS, 0, 20, 99)
        out += write(face, DIVIDE, 3) + write(face, LVT_TIMER, 0x60 | mode | MASKED) + step(PASS, 0, 4, 0xffff)
        out += write(face, LVT_TIMER, 0x61 | mode) + step(UNTIL) + step(ENTER) + step(EOI)
    return out + write(face, APIC_SVR, 0xff) + step(BASE, 0, 0, 0x100) + step(BASE, 0, 0, ENABLED | 0x100)


def messages(face):
    out = into(face)
    for core in range(3):
        out += step(MESSAGE, 0, 0, 0xff0000 | STARTUP | 8) + step(ENTER, core)
        out += write(face, APIC_LDR, 1 << 24 + core, core) + write(face, LVT_ERROR, 0x30, core)
    for mode in (0, LOWEST, 0x200, 0x300, NMI, EXTINT):
        for shorthand in range(4):
            out += write(0, ICR_HIGH, 17 << 24) + write(face, ICR, 0x50 | mode | shorthand << 18, high=17)
        out += write(face, ICR, 0x52 | mode | 0x800, high=0xff) + step(ENTER, 1) + step(EOI, 1) + step(ENTER, 2)
        out += step(MESSAGE, 0, 0, 0x070000 | 0x8800 | mode | 0x71) + step(ENTER) + step(EOI)
    out += write(face, ICR, 0x3) + write(face, SELF, 0x44) + write(face, APIC_ESR, 0) + step(PAGE_READ, 0, 9)
    out += write(face, ICR, INIT | 0x8000 | 3 << 18) + write(face, ICR, INIT | 3 << 18) + step(ENTER, 1)
    return out + write(face, ICR, STARTUP | 9 | 3 << 18) + step(ENTER, 1) + step(RESET, 1)


def clusters():
    out = b""
    for core in range(3):
        out += write(0, APIC_DFR, 0, core) + write(0, APIC_LDR, (core >> 1 << 4 | 1 << (core & 1)) << 24, core)
    return out + b"".join(step(MESSAGE, 0, n & 1, n << 16 | 0x800 | 0x50 + n) for n in (1, 2, 3, 0x11, 0x101, 0xff))


def priorities(face):
    out = into(face) + b"".join(step(MESSAGE, 0, 0, v | 0x8000) + step(ENTER) for v in (0x31, 0x42, 0x99, 0xf3, 0x20))
    return out + step(TPR, 0, 0, 0x90) + (write(face, APIC_EOI, 0) + step(ENTER)) * 6 + write(face, APIC_TPR, 0)


def everything(face):
    access = step(MSR_READ) if face else step(PAGE_READ)
    return into(face) + b"".join(access[:2] + struct.pack("<HI", n, 2) for n in range(0x41))


def seeds():
    out = {}
    for machine in range(4):
        head = bytes([machine])
        for face in FACES:
            name = f"{machine}-{'x2apic' if face else 'xapic'}"
            out[f"{name}-timers"] = head + timers(face)
            out[f"{name}-messages"] = head + messages(face)
            out[f"{name}-priorities"] = head + priorities(face)
            out[f"{name}-everything"] = head + everything(face)
        out[f"{machine}-clusters"] = head + clusters()
    out["odd-accesses"] = bytes([0]) + b"".join(step(MMIO_READ, 0, n, n) + step(MMIO_WRITE, 0, n * 81 & 0xffff, 0) for n in
                                                (0x20, 0x21, 0x22, 0x84, 0xfff, 0x1004, 0x800))
    return out

# SPDX-License-Identifier: Apache-2.0
"""Inputs for fuzz_x86_policy: eight bytes of machine, then steps (what, where, small, a, b); see the target."""
import struct

CPUID, NEAR, XCR0, READ, WRITE, WRITE_TOO, STEAL, EOI, SCRIBBLE, HYPERCALL, RESET, MODE = range(12)
(ZERO, SYSENTER, MISC, RANGES, FIXED, FIXED_4K, PAT, DEF_TYPE, DEADLINE, X2APIC, KVM, EFER, BASES, AMD, AMD_CFG,
 ANY) = range(16)
MACHINES = (bytes((1, 0x56, 60, 100, 1, 2, 3, 4)), bytes((0, 0x7f, 90, 24, 1, 0, 0, 0)), bytes((2, 0x50, 30, 7, 7, 9, 9, 9)),
            bytes((3, 0x00, 60, 200, 0, 1, 1, 1)))


def step(what, where=0, small=0, a=0, b=0):
    return struct.pack("<BBHQQ", what, where, small, a, b)


def leaves():
    return b"".join(step(NEAR, group, leaf, 0, subleaf) for group, last in ((0, 0x20), (1, 0x11), (2, 2), (3, 0x24))
                    for leaf in range(last) for subleaf in ((0, 1, 9) if leaf in (4, 7, 0xb, 0xd, 0x1d) else (0,)))[:20 * 128]


def components():
    out = b"".join(step(XCR0, 0, n % 8, xcr0) + step(NEAR, 0, 0xd, 0, 0) + step(NEAR, 0, 0xd, 0, 1)
                   for n, xcr0 in enumerate((1, 3, 7, 0xe7, 0x2e7, 5, 0x27, 0)))
    return out + step(CPUID, 0, 0, 1) + step(CPUID, 0, 0, 7)


def registers(value):
    return b"".join(step(WRITE, group, small, value) for group in range(15) for small in (0, 1, 2, 3, 4, 8, 9, 15))[:20 * 128]


def every_row():
    numbers = (0x10, 0x17, 0x1b, 0x3a, 0x3b, 0x8b, 0xce, 0xfe, 0x140, 0x174, 0x175, 0x179, 0x17a, 0x1a0, 0x1d9, 0x200, 0x201,
               0x250, 0x258, 0x268, 0x277, 0x2ff, 0x4b564d00, 0x4b564d01, 0x4b564d03, 0x4b564d04, 0xc0000080, 0xc0000081,
               0xc0000082, 0xc0000100, 0xc0000103, 0xc0010015)
    return b"".join(step(READ, ANY, 0, 0, n) + step(WRITE, ANY, 0x100, 6, n) + step(WRITE, ANY, 0, 1 << 63, n)
                    + step(READ, ANY, 0, 0, n) for n in numbers)


def modes():
    out = b""
    for value in (0x901, 0x100, 0xd01, 0, 0x4d01, 0x1d01):
        out += step(WRITE, EFER, 0, value) + step(MODE, 1, 0, 0, 99) + step(WRITE, EFER, 0, value ^ 0x100) + step(MODE, 0)
    return out


def shared():
    out = b""
    for n, where in enumerate((0x1001, 0x1fc1, 0x2041, 0x1fe1, 0x3001, 0)):
        out += b"".join(step(WRITE, KVM, msr, where & ~(msr == 0)) for msr in (0, 1, 3, 4))
        out += step(STEAL, n, 0, 12345) + step(STEAL, 1 - n % 2, 0, 99) + step(EOI, 1) + step(SCRIBBLE, 0, 0, 0, where & ~1)
        out += step(EOI, 1) + step(EOI, 0) + step(WRITE, ANY, 0, 1000 * n, 0x3b) + step(WRITE, ANY, 0, 5000, 0x10)
    return out + step(RESET)


def hypercalls():
    return b"".join(step(HYPERCALL, where, icr, 0x8000000000000005, 3) for where in (1, 5, 10, 13, 14, 7)
                    for icr in (0xfd, 0x4fd, 0x1fd, 0x8fd, 0, 7))


def seeds():
    parts = {"leaves": leaves(), "components": components(), "registers-0": registers(0), "registers-6": registers(6),
             "registers-all": registers(2**64 - 1), "rows": every_row(), "modes": modes(), "shared": shared(),
             "hypercalls": hypercalls()}
    return {f"{n}-{name}": head + part for n, head in enumerate(MACHINES) for name, part in parts.items()}

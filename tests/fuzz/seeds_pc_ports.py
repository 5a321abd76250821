# SPDX-License-Identifier: Apache-2.0
"""Inputs for fuzz_pc_ports: a byte of machine, then steps (what, where, value); see the target."""
import struct

(READ_SOME, WRITE_SOME, READ, WRITE, UART_WRITE, UART_READ, PASS, DATE, POWER_ON, CONSOLE, SEND) = range(11)
STEPS = 7 * 90  # of one input


def step(what, where=0, value=0):
    return struct.pack("<BHI", what, where, value)


def outb(port, value):
    return step(WRITE, port, value)


def inb(port):
    return step(READ, port, 0)


def timer():
    out = b""
    for channel in range(3):
        for mode in range(8):
            for access in (1, 2, 3):
                out += outb(0x43, channel << 6 | access << 4 | mode << 1) + outb(0x40 + channel, 5) + outb(0x40 + channel, 1)
                out += outb(0x61, 0) + inb(0x61) + outb(0x61, 1) + step(PASS, 4, 99999) + inb(0x61) + inb(0x40 + channel)
                out += outb(0x43, channel << 6) + outb(0x43, 0xc0 | 2 << channel) + inb(0x40 + channel) * 4 + outb(0x61, 0)
    return [out[i:i + STEPS] for i in range(0, len(out), STEPS)]


def clock():
    out = b""
    for date in (0, 951782400, 1772323200, 0xffffffff):
        out += step(DATE, 0, date) + b"".join(outb(0x70, n) + inb(0x71) for n in (*range(16), 0x32))
    return out + outb(0x71, 3) + inb(0x70)


def uart():
    out = b""
    for offset, value in ((3, 0x80), (0, 1), (1, 0), (3, 3), (2, 0xc7), (1, 0xf), (0, 65), (4, 0x1f), (0, 66), (4, 0x10)):
        out += step(UART_WRITE, offset, value) + b"".join(step(UART_READ, n) for n in range(8))
    out += step(UART_WRITE, 0, 67) * 20 + b"".join(step(UART_READ, n) for n in (2, 5, 2, 0, 2, 6, 2)) + step(UART_WRITE, 4, 0)
    for control in (0, 1, 0x41, 0x81, 0xc1, 7):
        out += step(UART_WRITE, 2, control) + step(CONSOLE, 20, 0) + step(UART_READ, 2) + step(UART_READ, 0)
        out += step(UART_WRITE, 0, 68) * 3 + step(UART_WRITE, 1, 0) + step(UART_WRITE, 1, 2) + step(CONSOLE, 0, 9)
    return out + step(UART_WRITE, 7, 1) + step(UART_WRITE, 5, 1) + step(UART_WRITE, 2, 1) + step(POWER_ON)


def others():
    out = b""
    for base in (0x20, 0xa0):
        for word in (0x11, 0x12, 0x10, 0x13, 0x0b, 0x20):
            out += outb(base, word) + (outb(base + 1, 0x5a) + inb(base + 1)) * 4 + inb(base)
    for port, value in ((0x64, 0xfe), (0x64, 1), (0xcf9, 2), (0xcf9, 6), (0x600, 0x34), (0x600, 0x14), (0x601, 0x80),
                        (0x80, 1), (0xed, 1), (0x1234, 1)):
        out += outb(port, value) + inb(port)
    for index in range(13):
        for size in range(3):
            out += step(WRITE_SOME, size << 14 | 1 << 8 | index, 0x80000004) + step(READ_SOME, 1 << 8 | index, size)
    return out + step(POWER_ON) + step(READ, 0xcf8, 2)


def seeds():
    out = {}
    for machine in range(6):
        head = bytes([machine])
        for part, steps in enumerate(timer()):
            out[f"{machine}-timer-{part}"] = head + steps
        out[f"{machine}-clock"] = head + clock()
        for name, steps in (("uart", uart()), ("others", others())):
            for part, start in enumerate(range(0, len(steps), STEPS)):
                out[f"{machine}-{name}-{part}"] = head + steps[start:start + STEPS]
        out[f"{machine}-send"] = head + step(SEND, 20, 3) + step(SEND, 5, 0) + step(SEND, 9, 2)
    return out

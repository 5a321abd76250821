# SPDX-License-Identifier: Apache-2.0
"""Guests that read their figures, ask for changes of the system and read what came of them (tests/fuzz/fuzz_hypercall.c)."""

STATS, FIGURES, CONTROL, RESULT, LIST = 0x20, 13, 0x22, 0x23, 0x24
RESERVE, MOVE, CREATE, STOP = 0, 1, 2, 5
TAKT = 6  # of the fuzzer's known ids
VCPU_1 = 1 << 16
INTERRUPT = 20 << 24


def call(number, *arguments):
    words = [*arguments, 0, 0, 0][:3]
    return bytes([1, TAKT, number, 0, 1]) + b"".join(b"\xff" + word.to_bytes(8, "big") for word in words)


def wait(slices=255, ticks=1_000_000):
    return bytes([0]) + ticks.to_bytes(4, "big") + bytes([slices])


def guest(*steps, controller=1, observer=1):
    return bytes([observer, controller]) + b"".join(steps)


def seeds():
    def us(budget, deadline):
        return budget | deadline << 32

    results = [call(RESULT, 1, page) for page in range(4)]
    lists = [call(LIST, vm, page) for vm, page in ((0, 0), (0, 1), (0, 2), (0, 3), (0, 9), (5, 0))]
    figures = [call(STATS, index) for index in range(FIGURES + 1)]
    return {
        "figures": guest(*figures),
        "own-figures": guest(*figures, observer=0),
        "less": guest(call(CONTROL, RESERVE | VCPU_1, us(100, 900), 1000), *results, *[wait()] * 8, *results, *lists),
        "more": guest(call(CONTROL, RESERVE | VCPU_1 | INTERRUPT, us(300, 800), 1000), *[wait()] * 8, *results),
        "too-much": guest(call(CONTROL, RESERVE | VCPU_1, us(990, 1000), 1000), *[wait()] * 40, *results),
        "move": guest(call(CONTROL, MOVE | VCPU_1 | INTERRUPT, 0, 0), *[wait()] * 8, *results, *lists),
        "senseless": guest(call(CONTROL, CREATE, 0, 0), *[wait()] * 4, *results),
        "stop": guest(call(CONTROL, STOP, 0, 0), *[wait()] * 4, *results),
        "malformed": guest(call(CONTROL, 9, 0, 0), call(CONTROL, MOVE, 1 << 40, 0), call(CONTROL, CREATE, 1, 0),
                           call(CONTROL, RESERVE | VCPU_1 | 1 << 40, us(1, 2), 3), call(CONTROL, STOP | 7 << 8, 0, 0)),
        "denied": guest(call(CONTROL, STOP, 0, 0), call(RESULT, 0, 0), call(LIST, 0, 0), controller=0),
    }

# SPDX-License-Identifier: Apache-2.0
"""Inputs for fuzz_sysimage: the first byte says what follows; see the target."""
import pathlib
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "scripts"))
import mkimage  # noqa: E402  # pylint: disable=wrong-import-position

IMAGE, DESCRIPTION, BOARD, STEPS, HASH = range(5)
HOLES = 8


def cells(*values):
    return struct.pack(f">{len(values)}I", *values)


def tree(node):
    """A tree from nested dictionaries: a dictionary is a node, anything else a property."""
    out = mkimage.Tree()

    def write(name, members):
        out.begin(name)
        for key, value in members.items():
            if not isinstance(value, dict):
                out.prop(key, value)
        for key, value in members.items():
            if isinstance(value, dict):
                write(key, value)
        out.end()

    write("", node)
    return b"".join(out.write())


RESERVATION = {"budget-us": 200, "period-us": 1000, "deadline-us": 500}
SYSTEM = {
    "compatible": "takt,system-1", "deterministic": b"", "console-focus": "b",
    "vms": {
        "a": {"memory": cells(0, 0x40000000, 0, 0x400000), "kernel": "guest.bin", "load-address": cells(0, 0x40080000),
              "entry-address": cells(0, 0x40080004), "type": "raw", "restart": "on-failure", "restart-limit": 3, "spis": 64,
              "overlay": "a.dtb",
              "vcpus": {"#address-cells": 1, "#size-cells": 0, "vcpu@0": {"reg": 0, "core": 1, **RESERVATION}},
              "devices": {"clock": {"device": "/pl031@9010000", "irq-distance-us": 100,
                                    "guest-address": cells(0, 0x0B000000)},
                          "gpio": {"device": "/pl061@9030000", "irq-distance-us": 100, "unprotected-dma": b""}}},
        "b": {"memory": cells(0, 0x40000000, 0, 0x8000000, 1, 0, 0, 0x200000), "kernel": "Image", "initrd": "initrd",
              "bootargs": "quiet", "device-tree": "a.dtb",
              "vcpus": {"vcpu@0": {"reg": 0, **RESERVATION}, "vcpu@1": {"reg": 1, "weight": 7, "core": "auto"}}},
    },
}
BOARD_DATA = {"compatible": "takt,board-1", "overhead-ns": 1000, "irq-cost-ns": 1000, "injection-ns": 1500, "masked-ns": 2500, "masked-vcpu-ns": 500,
              "console-irq-distance-us": 1000}
BOARD_TREE = {
    "model": "m", "#address-cells": 2, "#size-cells": 2,
    "cpus": {"#address-cells": 1, "#size-cells": 0, "cpu@0": {"reg": 0}, "cpu@1": {"reg": 1, "status": "disabled"},
             "cpu@2": {"reg": cells(2, 3)}},
    "memory@0": {"device_type": "memory", "reg": cells(0, 0x40000000, 0, 0x40000000)},
    "reserved-memory": {"#address-cells": 1, "#size-cells": 1, "ranges": b"", "x": {"reg": cells(0x50000000, 0x1000)}},
    "chosen": {"bootargs": "a", "rng-seed": bytes(range(40)), "kaslr-seed": cells(1, 2),
               "linux,initrd-start": cells(0, 0x48000000), "linux,initrd-end": cells(0x48001000)},
    "soc": {"#address-cells": 1, "#size-cells": 1, "ranges": cells(0, 0, 0x9000000, 0x10000),
            "bus": {"#address-cells": 1, "#size-cells": 1, "ranges": b"",
                    "uart": {"phandle": 1, "compatible": ["x", "arm,pl011"], "status": "okay", "reg": cells(0x100, 0x10)}}},
}


def fit(*images):
    """A FIT whose data lies aligned, as mkimage.py writes it."""
    out = mkimage.Tree()
    out.begin()
    out.prop("takt,source", "f.dts")
    out.begin("images")
    for name, data, kind, more in images:
        mkimage.add_image(out, name, data, {"type": kind, **more}, 8)
    out.end()
    out.end()
    return b"".join(out.write())


def small_image(system):
    kernel = bytearray(64)
    kernel[18] = 0x10
    kernel[56:60] = b"ARM\x64"
    return fit(("system", tree(system), "flat_dt", {}), ("board", tree(BOARD_DATA), "flat_dt", {}),
               ("f0", b"raw", "firmware", {"takt,paths": ["guest.bin"]}),
               ("f1", bytes(kernel), "firmware", {"takt,paths": ["Image", "initrd"]}),
               ("f2", tree(BOARD_DATA), "flat_dt", {"takt,paths": ["a.dtb"]}))


# Steps, by the tables of the target: pairs (property, operand), (64, node), (128, 0) to close.
def steps(*pairs):
    return bytes(byte for pair in pairs for byte in pair)


CLOSE = (128, 0)
VCPU_RESERVED = [(64, 3), (18, 0), (19, 20), (20, 100), (21, 90), (23, 1), CLOSE]
VCPU_HEAVY = [(64, 4), (18, 1), (19, 90), (20, 100), (23, 1), CLOSE]
VCPU_TASKS = [(64, 3), (18, 0), (19, 20), (20, 100), (23, 1), (64, 11), (64, 12), (33, 4), (20, 250), CLOSE,
              (64, 13), (33, 5), (21, 200), (20, 200), CLOSE, CLOSE, CLOSE]
VCPU_SHARE = [(64, 5), (18, 2), (22, 9), (24, 10), CLOSE]
VM_RAW = [(64, 6), (3, 1), (4, 1), (5, 6), (6, 8), (16, 8), (64, 1)]
VM_LINUX = [(64, 7), (3, 16), (4, 2), (8, 3), (64, 1)]
DEVICES = [(64, 2), (64, 8), (25, 13), (27, 100), CLOSE, (64, 7), (25, 13), CLOSE, CLOSE]
WHOLE = [(0, 0), (1, 0), (2, 11), (64, 0), *VM_RAW, *VCPU_RESERVED, CLOSE, *DEVICES, CLOSE,
         *VM_LINUX, *VCPU_RESERVED, *VCPU_SHARE, CLOSE, CLOSE, CLOSE]
TASKS = [(0, 0), (64, 0), *VM_RAW, *VCPU_TASKS, CLOSE, CLOSE, CLOSE]
REFUSED = [(0, 0), (64, 0), *VM_RAW, *VCPU_RESERVED, *VCPU_HEAVY, CLOSE, CLOSE, CLOSE]


# ---- descriptions with mistakes, many in each -------------------------------------------------------------------------

def vm(**more):
    return {"memory": cells(0, 0x40000000, 0, 0x400000), "kernel": "guest.bin", "load-address": cells(0, 0x40080000),
            "vcpus": {"vcpu@0": {"reg": 0}}, **more}


def system_of(vms, **more):
    return {"compatible": "takt,system-1", **more, "vms": vms}


def clock(**more):
    return {"device": "/pl031@9010000", "irq-distance-us": 100, **more}


WRONG_TYPES = system_of({"a": vm(**{
    "no-vpl011": 1, "spis": b"", "load-address": 1, "memory": b"1", "restart": 7, "initrd": b"", "type": b"x",
    "vcpus": {"vcpu@0": {"reg": 0, "core": cells(1, 2)}},
    "devices": {"x": clock(**{"guest-address": 1}), "y": {"device": "/pl061@9030000", "guest-address": bytes(16)}}})})
WRONG_VALUES = system_of({
    "a": vm(**{"bootargs": "x" * 2048, "a-name-that-is-longer-than-any-other": b"", "kernel": "empty",
               "memory": bytes(80), "spis": 33, "restart": "always-not"}),
    "b": vm(memory=cells(0, 0x40000000, 0, 0x400000, 0, 0x40200000, 0, 0x400000)),
    "c": vm(memory=cells(0, 0x40000000, 0, 0x7FE00000)),
    "d": vm(**{"load-address": cells(0, 0x403FFFFF)}), "e": vm(**{"load-address": cells(0, 0x403FFFF0)}),
    "f": vm(**{"load-address": cells(0, 0x403EFF00), "initrd": "initrd"}), "g": vm(kernel="nameless")})
WRONG_PLACES = system_of({"a": vm(spis=32, devices={
    "x": clock(**{"guest-address": cells(0, 0x09000000)}),
    "y": {"device": "/pl061@9030000", "guest-address": cells(0, 0x09000000)}}),
    "b": vm(devices={"x": clock(), "y": {"device": "/pl061@9030000", "guest-address": cells(0, 0x40000001)}})})
TOO_MANY = system_of({f"v{i}": vm() for i in range(18)})


def reserved(budget, period, **more):
    return {"budget-us": budget, "period-us": period, "core": 0, **more}


FULL = system_of({"a": vm(vcpus={f"vcpu@{i}": {"reg": i, **reserved(999, 1000)} for i in range(8)})})
COUNTED = system_of({name: vm(vcpus={"vcpu@0": {"reg": 0, "budget-us": 600, "period-us": 1000}}) for name in "ab"}, placement="count")


def with_tasks(tasks, **more):
    return vm(vcpus={"vcpu@0": {"reg": 0, **more, "tasks": tasks}})


def task(wcet, period, **more):
    return {"wcet-us": wcet, "period-us": period, **more}


TASKS_GOOD = system_of({"a": with_tasks({"#address-cells": 1, "#size-cells": 0, "task@0": task(100, 4000, reg=0),
                                         "task@1": task(100, 9000, **{"deadline-us": 3000})}, **RESERVATION),
                        "b": vm(vcpus={"vcpu@0": {"reg": 0, **reserved(300, 2000)}})})
TASKS_WRONG = system_of({
    "a": with_tasks({}, **RESERVATION), "b": with_tasks({"task@0": task(1, 1000)}),
    "c": with_tasks({"task@0": task(151, 4000, **{"deadline-us": 1450}), "task@1": task(1, 3000)}, **RESERVATION),
    "d": with_tasks({"task@0": task(20, 100)}, **RESERVATION),
    "e": with_tasks({"task@0": task(2000, 10000, **{"deadline-us": 9999999})}, **RESERVATION),
    "f": with_tasks({"task@0": task(30, 20), "task@1": task(30, 40, **{"deadline-us": 20}), "task@2": {"wcet-us": 1}}),
    "g": with_tasks({f"task@{i}": task(1, 10000) for i in range(33)}, **RESERVATION)})
THREADS = system_of({name: vm(vcpus={"vcpu@0": {"reg": 0, **reserved(100, 1000)}}) for name in "ab"}, smt=b"")

BOARD_ODD = {
    "#address-cells": 2, "#size-cells": 2,
    "memory@1": {"device_type": "memory", "reg": cells(*[value for i in range(40) for value in (0, i << 24, 0, 4096 + i)])},
    "memory@2": {"device_type": "memory", "reg": cells(0xFFFFFFFF, 0xFFFFF000, 0, 0x2000)},
    "cpus": {"cpu@0": {"reg": b""}}, "chosen": {"linux,initrd-start": bytes(12), "linux,initrd-end": bytes(12)},
}


def with_reservations(board):
    """The list of reserved memory lies where the header says: here the structure block serves as one."""
    return board[:16] + cells(mkimage.HEADER_SIZE + 16) + board[20:]


def seeds():
    """{name: bytes}"""
    image = small_image(SYSTEM)
    outer = fit(("system", image, "ramdisk", {}))
    no_uart = dict(SYSTEM, vms={"a": dict(SYSTEM["vms"]["a"], devices={"x": {"device": "/pl011@9000000"}})})
    many = tree({"images": {f"{i}": {} for i in range(67)}})
    return {
        "image": bytes([IMAGE]) + image,
        "outer": bytes([IMAGE]) + outer,
        "cut": bytes([IMAGE]) + image[:-8],
        "refused-device": bytes([IMAGE]) + small_image(no_uart),
        "many": bytes([IMAGE]) + many,
        "description": bytes([DESCRIPTION]) + tree(SYSTEM),
        "description-holes": bytes([DESCRIPTION + HOLES]) + tree(SYSTEM),
        "wrong-types": bytes([DESCRIPTION]) + tree(WRONG_TYPES),
        "wrong-values": bytes([DESCRIPTION + HOLES]) + tree(WRONG_VALUES),
        "wrong-places": bytes([DESCRIPTION]) + tree(WRONG_PLACES),
        "too-many": bytes([DESCRIPTION]) + tree(TOO_MANY),
        "full": bytes([DESCRIPTION]) + tree(FULL),
        "counted": bytes([DESCRIPTION]) + tree(COUNTED),
        "threads": bytes([DESCRIPTION]) + tree(THREADS),
        "board": bytes([BOARD]) + tree(BOARD_TREE),
        "board-odd": bytes([BOARD]) + tree(BOARD_ODD),
        "board-reservations": bytes([BOARD]) + with_reservations(tree(BOARD_TREE)),
        "steps": bytes([STEPS]) + steps(*WHOLE),
        "tasks": bytes([DESCRIPTION]) + tree(TASKS_GOOD),
        "tasks-wrong": bytes([DESCRIPTION]) + tree(TASKS_WRONG),
        "steps-tasks": bytes([STEPS]) + steps(*TASKS),
        "steps-refused": bytes([STEPS]) + steps(*REFUSED),
        "hash": bytes([HASH]) + bytes(range(200)),
    }

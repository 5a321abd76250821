# SPDX-License-Identifier: Apache-2.0
"""Guests that compute in floating point on one core keep their registers and their results over many switches."""
import libtakt
import pytest


def keep_their_state(takt, cores, icount, storm, switches):
    image = takt.program("matmul")
    # In real time an emulator that has to share its machine spends a core on switches and on what is reserved, and best effort gets
    # nothing.
    slower, less = (1, 1) if icount else (10, 4)
    description = takt.write("fp.dts", libtakt.system(
        takt.vm("regs1", image, [libtakt.on_core(0)], "mode=fpcheck seed=1"),
        takt.vm("regs2", image, [libtakt.reserved(0, 300 * slower // less, 1000 * slower)], "mode=fpcheck seed=2"),
        takt.vm("product1", image, [libtakt.on_core(0)], "seed=3"),
        takt.vm("product2", image, [libtakt.reserved(0, 200 * slower // less, 900 * slower)], "seed=4"),
        *([takt.vm("storm", image, [libtakt.on_core(0)], "storm quiet")] if storm else []),
        takt.vm("rt", takt.program("rtprobe"), [libtakt.reserved(0, 100 * slower // less, 1000 * slower)], "mode=probe")))
    with takt.boot(description, 240, cores=cores, icount=icount) as console:
        for vm in ("regs1", "regs2"):
            for _ in range(2):
                console.expect_vm(vm, r"fpcheck: \d+ ok", 100)
        for vm in ("product1", "product2"):
            console.seen_vm(vm, r"round \d+ checksum \w+ ok", 100)
        # However fast the emulator is: it goes on until there were enough of them.
        while int(column(console.monitor("cpus", 60), "switches")) <= switches:
            for vm in ("regs1", "regs2"):
                console.expect_vm(vm, r"fpcheck: \d+ ok", 100)
        assert "FAILED" not in console.text


@pytest.mark.parametrize("cores,icount", [(1, True), (2, False)])
def test_neighbours_keep_their_floating_point_state(takt, cores, icount):
    keep_their_state(takt, cores, icount, True, 2000)


@pytest.mark.boards("qemu-x86")
def test_neighbours_keep_their_vector_state(takt):
    """Without the storm, whose exits take the emulator minutes."""
    keep_their_state(takt, 1, True, False, 1000)


def column(table, name):
    """A value of the first row, by the header's word."""
    header, row = table.splitlines()[:2]
    return row.split()[header.split().index(name)]

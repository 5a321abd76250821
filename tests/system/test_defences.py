# SPDX-License-Identifier: Apache-2.0
"""What the processor has against transient execution is chosen, measured, done where the VM on a core changes, and paid for by
every budget. QEMU's processors have nothing of it; Bochs' tigerlake has the barrier of branch prediction and VERW."""
import re

import libtakt
import pytest

OVERHEAD = r"overhead: ([\d.]+) us added to each budget"
LINE = "defences where the VM on a core changes:"


def two_on_one_core(takt, budget_us, period_us):
    return takt.write("two.dts", libtakt.system(
        takt.vm("rt", takt.program("rtprobe"), [libtakt.reserved(0, budget_us, period_us)], "mode=probe"),
        takt.vm("load", takt.program("matmul"), [libtakt.on_core(0)], "seed=7")))


def board_overhead_ns(board):
    return int(re.search(r"overhead-ns = <(\d+)>", (libtakt.ROOT / "boards" / board / "board.dts").read_text())[1])


@pytest.mark.boards("qemu-x86")
def test_what_the_processor_lacks_is_told(takt):
    with takt.boot(two_on_one_core(takt, 200, 1000), 60, cores=1) as console:
        console.seen(LINE + r" no IBPB \(branch targets\): update the microcode;", 60)
        assert float(console.seen(OVERHEAD, 30).group(1)) * 1000 == board_overhead_ns("qemu-x86")
        assert console.quit() == 0


@pytest.mark.boards("bochs-vmx")
def test_what_it_has_is_done_between_vms_and_paid_for(takt):
    with takt.boot(two_on_one_core(takt, 2000, 10000), 480, cores=1, cpu="tigerlake") as console:
        told = console.seen(LINE + r" IBPB \(branch targets\) (\d+) ns; VERW \(buffers\) (\d+) ns;", 120)
        cost = sum(int(ns) for ns in told.groups())
        assert cost > 0
        overhead_ns = round(float(console.seen(OVERHEAD, 60).group(1)) * 1000)
        assert overhead_ns == board_overhead_ns("bochs-vmx") + 2 * cost
        console.expect_vm("rt", r"count \d+ lateness", 300)
        console.expect_vm("load", r"round \d+ checksum \w+ ok", 300)

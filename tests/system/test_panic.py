# SPDX-License-Identifier: Apache-2.0
"""A bug of the hypervisor stops the machine, and says where and with what. The bug is written into its memory."""
import re
import subprocess

import gdb_stub
import libtakt
import pytest

UNDEFINED = bytes(4)
# sub sp, sp, #16 KiB; str xzr, [sp, #-16]!: as a call that needs all of a core's stack would do.
OVERFLOW = bytes.fromhex("ff1340d1" "ff0f1ff8")
DATA_ABORT_SAME_EL = 0x25
TRANSLATION_FAULT, FAULT_KIND = 0x04, 0x3C

REGISTERS = r"(?:\[takt\]   x\d+ +[0-9a-f]{16}(?:  (?:x\d+|pc|sp) +[0-9a-f]{16}){2}\n){11}"
DUMP = (
    r"\[takt\] PANIC on core (?P<core>\d+): synchronous exception in the hypervisor \(vector 4\)\n"
    r"\[takt\]   VM (?P<vm>\w+), VCPU (?P<vcpu>\d+)\n" + REGISTERS +
    r"\[takt\]   PSTATE [0-9a-f]{8}  ELR (?P<elr>[0-9a-f]{16})\n"
    r"\[takt\]   ESR (?P<esr>[0-9a-f]{8})  FAR (?P<far>[0-9a-f]{16})  HPFAR [0-9a-f]{10}\n"
    r"\[takt\]   HCR [0-9a-f]{16}  VTTBR [0-9a-f]{16}  MPIDR [0-9a-f]+\n"
    r"(?:\[takt\]   from [0-9a-f]{12}\n)+")


def symbols(elf):
    """{name: address}; what link-time optimisation adds to a name is left out."""
    listing = subprocess.run(["aarch64-linux-gnu-nm", str(elf)], capture_output=True, text=True, check=True, timeout=60)
    rows = re.findall(r"(?m)^([0-9a-f]+) \w ([^.\n]+)", listing.stdout)
    return {name: int(address, 16) for address, name in rows}


def break_and_watch(takt, code, gic):
    """Two guests on two cores of three; `code` replaces the beginning of the UART's emulation, which the first guest
    that prints runs into. Returns the console's text from the panic on, as a match, and the hypervisor's symbols."""
    names = symbols(takt.hypervisor.with_suffix(".elf"))
    description = takt.write("two.dts", libtakt.system(
        takt.vm("rt", takt.program("rtprobe"), [libtakt.reserved(0)], "mode=probe"),
        takt.vm("load", takt.program("matmul"), [libtakt.on_core(1)], "seed=3")))
    stub = gdb_stub.GdbStub()
    with takt.boot(description, cores=3, gic=gic, extra=stub.options) as console:
        console.expect_vm("rt", r"count \d+")
        console.expect_vm("load", "round")
        console.panic_expected = True
        with stub.stopped() as machine:
            machine.write(names["vpl011_access"], code)
        entry = rf"\[takt\]   from {names['vectors'] >> 12:x}[0-9a-f]{{3}}\n"  # of the exception: the first call
        dump = console.seen(DUMP + entry, 60)
        with stub.stopped() as machine:
            assert all(pc - names["park"] in (0, 4) for pc in machine.program_counters()), "every core stands"
            assert len(machine.threads) == 3
        assert console.text[dump.end():] == "", "nothing was printed after the dump"
        assert "did not stop" not in console.text
        return dump, names


@pytest.mark.parametrize("gic", [3, 2])
def test_a_broken_instruction_stops_the_machine(takt, gic):
    dump, names = break_and_watch(takt, UNDEFINED, gic)
    assert (dump["vm"], dump["vcpu"], dump["core"]) in (("rt", "0", "0"), ("load", "0", "1"))
    assert int(dump["elr"], 16) == names["vpl011_access"]
    assert int(dump["esr"], 16) >> 26 == 0, "unknown reason: an undefined instruction"


def test_a_stack_that_is_too_small_meets_its_guard_page(takt):
    dump, names = break_and_watch(takt, OVERFLOW, 3)
    esr = int(dump["esr"], 16)
    assert int(dump["elr"], 16) == names["vpl011_access"] + 4
    assert esr >> 26 == DATA_ABORT_SAME_EL and esr & FAULT_KIND == TRANSLATION_FAULT
    assert int(dump["far"], 16) >= gdb_stub.EL2_BASE

# SPDX-License-Identifier: Apache-2.0
"""A bug of the hypervisor stops the machine, and says where and with what. The bug is written into its memory."""
import collections
import re
import subprocess
import time

import gdb_stub
import libtakt
import pytest
import takt_console

DATA_ABORT_SAME_EL = 0x25
TRANSLATION_FAULT, FAULT_KIND = 0x04, 0x3C
UNDEFINED_OPCODE, PAGE_FAULT, PAGE_FAULT_WRITE = 6, 14, 2
PARK_SECONDS = 20
SUBTRACTION = 7  # bytes of it, before the push

# An instruction that is none, and code that needs all of a core's stack, as a call that is too deep would; the function, of the
# emulation of the guests' UART, that they are written over; the one in which cores stand at the end, and at which instructions;
# what is printed, which caller is the last, and what may follow.
Board = collections.namedtuple("Board", "undefined overflow broken parked instructions dump outermost more")

ARM64_REGISTERS = r"(?:\[takt\]   x\d+ +[0-9a-f]{16}(?:  (?:x\d+|pc|sp) +[0-9a-f]{16}){2}\n){11}"
X86_REGISTERS = r"(?:\[takt\]   r\w+ +[0-9a-f]{16}(?:  r\w+ +[0-9a-f]{16}){2}\n){5}"
CALLER = r"\[takt\]   from [0-9a-f]+\n"
ARM64 = Board(
    bytes(4), bytes.fromhex("ff1340d1" "ff0f1ff8"),  # sub sp, sp, #16 KiB; str xzr, [sp, #-16]!
    "vpl011_access", "park", (0, 4),
    r"\[takt\] PANIC on core (?P<core>\d+): synchronous exception in the hypervisor \(vector 4\)\n"
    r"\[takt\]   VM (?P<vm>\w+), VCPU (?P<vcpu>\d+)\n" + ARM64_REGISTERS +
    r"\[takt\]   PSTATE [0-9a-f]{8}  ELR (?P<pc>[0-9a-f]{16})\n"
    r"\[takt\]   ESR (?P<esr>[0-9a-f]{8})  FAR (?P<address>[0-9a-f]{16})  HPFAR [0-9a-f]{10}\n"
    r"\[takt\]   HCR [0-9a-f]{16}  VTTBR [0-9a-f]{16}  MPIDR [0-9a-f]+\n",
    # The exception's own entry is the first call of all.
    lambda names: rf"(?:{CALLER})*\[takt\]   from {names['vectors'] >> 12:x}[0-9a-f]{{3}}\n", "")
X86 = Board(
    bytes.fromhex("0f0b"), bytes.fromhex("4881ec00400000" "50"),  # ud2; sub rsp, 16 KiB and push rax
    "v16550_write", "arch_park", (0, 1, 2),
    r"\[takt\] PANIC on core (?P<core>\d+): exception (?P<vector>\d+) in the hypervisor\n"
    r"\[takt\]   VM (?P<vm>\w+), VCPU (?P<vcpu>\d+)\n" + X86_REGISTERS +
    r"\[takt\]   vector [0-9a-f]{16}  error (?P<error>[0-9a-f]{16})  rip (?P<pc>[0-9a-f]{16})\n"
    r"\[takt\]   cs 0{15}8  rflags [0-9a-f]{16}  rsp [0-9a-f]{16}\n"
    r"\[takt\]   cr0 [0-9a-f]+  cr2 (?P<address>[0-9a-f]{16})  cr3 [0-9a-f]+  cr4 [0-9a-f]+\n",
    lambda names: "", f"(?:{CALLER})*")
BOARDS = {"arm64": ARM64, "x86": X86}


def symbols(takt):
    """{name: address}; what link-time optimisation adds to a name is left out, where nobody has that name without."""
    nm = {"arm64": "aarch64-linux-gnu-nm", "x86": "x86_64-linux-gnu-nm"}[takt.arch]
    listing = subprocess.run([nm, takt.hypervisor.with_suffix(".elf")], capture_output=True, text=True, check=True, timeout=60)
    rows = re.findall(r"(?m)^([0-9a-f]+) \w ([^.\n]+)(\.?)", listing.stdout)
    return {name: int(address, 16) for address, name, _more in sorted(rows, key=lambda row: row[2] == "")}


def where_they_stand(stub, places):
    """The program counters, once all are at these places: the core that prints may have some lines to go."""
    until = time.monotonic() + PARK_SECONDS
    while True:
        with stub.stopped() as machine:
            found = machine.program_counters()
        if all(pc in places for pc in found):
            return found
        assert time.monotonic() < until, [hex(pc) for pc in found]
        time.sleep(0.1)


def break_and_watch(takt, code, callers=1, **options):
    """Two guests on two cores of three; `code` replaces the beginning of the UART's emulation, which the first guest
    that prints runs into. At least so many `callers` are told. Returns the console's text from the panic on, as a match, and
    the address of what was broken."""
    board, names = BOARDS[takt.arch], symbols(takt)
    description = takt.write("two.dts", libtakt.system(
        takt.vm("rt", takt.program("rtprobe"), [libtakt.reserved(0)], "mode=probe"),
        takt.vm("load", takt.program("matmul"), [libtakt.on_core(1)], "seed=3")))
    stub = gdb_stub.GdbStub(takt.arch)
    with takt.boot(description, cores=3, extra=stub.options, **options) as console:
        console.expect_vm("rt", r"count \d+")
        console.expect_vm("load", "round")
        console.panic_expected = True
        with stub.stopped() as machine:
            machine.write(names[board.broken], code)
        dump = console.seen(board.dump + CALLER * callers + board.outermost(names), 60)
        assert (dump["vm"], dump["vcpu"], dump["core"]) in (("rt", "0", "0"), ("load", "0", "1"))
        assert len(where_they_stand(stub, [names[board.parked] + i for i in board.instructions])) == 3, "every core stands"
        with pytest.raises(takt_console.ConsoleError):
            console.expect("what nobody prints", 1)
        assert re.fullmatch(board.more, console.text[dump.end():]), "nothing was printed after the dump"
        assert "did not stop" not in console.text
        return dump, names[board.broken]


@pytest.mark.parametrize("gic", [3, 2])
def test_a_broken_instruction_stops_the_machine(takt, gic):
    dump, broken = break_and_watch(takt, ARM64.undefined, gic=gic)
    assert int(dump["pc"], 16) == broken
    assert int(dump["esr"], 16) >> 26 == 0, "unknown reason: an undefined instruction"


def test_a_stack_that_is_too_small_meets_its_guard_page(takt):
    dump, broken = break_and_watch(takt, ARM64.overflow, gic=3)
    esr = int(dump["esr"], 16)
    assert int(dump["pc"], 16) == broken + 4
    assert esr >> 26 == DATA_ABORT_SAME_EL and esr & FAULT_KIND == TRANSLATION_FAULT
    assert int(dump["address"], 16) >= gdb_stub.BASE["arm64"]


@pytest.mark.boards("qemu-x86")
def test_a_broken_instruction_stops_the_pc(takt):
    dump, broken = break_and_watch(takt, X86.undefined, 3)
    assert int(dump["pc"], 16) == broken and int(dump["vector"]) == UNDEFINED_OPCODE


@pytest.mark.boards("qemu-x86")
def test_a_stack_that_is_too_small_meets_its_guard_page_on_the_pc(takt):
    """The stack pointer is where nothing can be read, so no callers are told."""
    dump, broken = break_and_watch(takt, X86.overflow, 0)
    assert int(dump["pc"], 16) == broken + SUBTRACTION and int(dump["vector"]) == PAGE_FAULT
    assert int(dump["error"], 16) == PAGE_FAULT_WRITE and int(dump["address"], 16) >= gdb_stub.BASE["x86"]

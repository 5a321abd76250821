# SPDX-License-Identifier: Apache-2.0
"""What is the PC's own: its ways to boot, processors and memory; what its descriptions get wrong; Linux with one VCPU and
its full kernel; a guest that ends by a triple fault. The rest runs on both boards (test_default, test_linux, test_monitor,
test_restart)."""
import re
import subprocess

import libtakt
import pytest
import takt_console

pytestmark = pytest.mark.boards("qemu-x86")
LATEST_NS = 1700
COUNT = r"count (\d+) lateness ns min (\d+) mean (\d+) p99 (\d+) max (\d+)"


RAW = """
    .code16
    call 1f
    .asciz "real mode\\n"
1:  pop %si
    mov $0x3f8, %dx
2:  lodsb %cs:(%si)
    test %al, %al
    jz 3f
    outb %al, %dx
    jmp 2b
3:  mov $0x600, %dx
    mov $0x34, %al                      // S5, enable
    outb %al, %dx
    hlt
"""

# Asks for the hypercall timer with each of these interrupts, and says of each whether it was given.
TIMERS = (0, 16, 20, 31, 32, 255, 256)
CHOICES = f"""
    .code16
    call 1f
    .long {", ".join(map(str, TIMERS))}
1:  pop %si
    mov ${len(TIMERS)}, %bp
2:  xor %ecx, %ecx
    mov $-1, %edx                       // interrupts are masked: any
    lodsl %cs:(%si), %eax
    mov %eax, %ebx
    mov $0xc6000010, %eax               // TAKT_HC_TIMER_SET
    vmmcall
    test %eax, %eax
    mov $'y', %al
    jz 3f
    mov $'n', %al
3:  mov $0x3f8, %dx
    outb %al, %dx
    dec %bp
    jnz 2b
    mov $'\\n', %al
    outb %al, %dx
4:  hlt
    jmp 4b
"""


# What the processor does beside an instruction that the hypervisor does in its place. With CR0.CD set it ends by a triple fault.
BESIDE = """
    .code16
    .macro keeps change:vararg          // CR0 has what was written to it
    mov %cr0, %eax
    \\change
    mov %eax, %cr0
    mov %cr0, %ebx
    cmp %eax, %ebx
    jne failed
    .endm
    .macro traps instruction:vararg     // after a single step over it
    pushf
    pop %ax
    or $0x100, %ax
    push %ax
    mov $1f, %di
    popf
    \\instruction
1:  test %di, %di
    jnz failed
    .endm

    mov $0x7c00, %sp
    movw $stepped, 4
    movw $0, 6
    keeps or $0x60000000, %eax
    keeps or $0x8, %al
    keeps and $0x9fffffff, %eax
    keeps or $0x40000000, %eax
    mov %cr3, %edx
    mov %cr4, %ecx                      // neither is CR0, nor had it anything in it
    or %edx, %ecx
    jnz failed
    traps cpuid
    mov $0x80, %dx
    mov $said_ok, %si
    traps outsb
    mov $said_ok, %si
    jmp say
failed:
    mov $said_failed, %si
say:
    mov $0x3f8, %dx
2:  lodsb
    test %al, %al
    jz 3f
    outb %al, %dx
    jmp 2b
3:  lidt no_table
    ud2

stepped:
    mov %sp, %bp
    cmp %di, (%bp)
    jne failed
    andw $~0x100, 4(%bp)
    mov %dr6, %eax
    test $0x4000, %ax                   // BS
    jz failed
    xor %eax, %eax
    mov %eax, %dr6
    xor %di, %di
    iret

no_table: .long 0, 0
said_ok: .asciz "beside: ok\\n"
said_failed: .asciz "beside: failed\\n"
"""


@pytest.fixture
def pair(takt):
    """A probe with a reservation and a load without, on one core."""
    return takt.write("pair.dts", libtakt.system(
        takt.vm("rt", takt.program("rtprobe"), [libtakt.reserved(0)], "mode=probe"),
        takt.vm("load", takt.program("matmul"), [libtakt.on_core(0)], "seed=7")))


def both_advance(console):
    for vm, pattern in (("rt", COUNT), ("load", r"round (\d+) checksum \w+ ok")):
        first = int(console.expect_vm(vm, pattern, 60).group(1))
        assert int(console.expect_vm(vm, pattern, 60).group(1)) > first
    assert console.quit() == 0


# ---- the machine -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("options", [
    {"cores": 1}, {"cores": 2, "cpu": "EPYC", "memory_mib": 3072}, {"cores": 1, "cpu": "EPYC-Rome"},
    {"cores": 1, "cpu": "EPYC-Milan"}, {"boot": "grub", "cores": 2}, {"boot": "uefi", "cores": 2}], ids=str)
def test_it_boots_to_its_report_and_starts_guests(takt, pair, options):
    with takt.boot(pair, 180, **options) as console:
        report = console.seen(r"\[takt\] Takt on PC: (\d+) cores?, counter \d+ Hz(?s:.*?)\[takt\] memory: (\d+) MiB(?s:.*)overhead: ",
                              90)
        mib = options.get("memory_mib", 1024)
        assert int(report.group(1)) == options["cores"] and mib - 16 <= int(report.group(2)) <= mib
        both_advance(console)


def test_a_reservation_beside_a_load_is_on_time(takt):
    """In virtual time, where an instruction is a nanosecond: no miss has an excuse."""
    description = takt.write("on-time.dts", libtakt.system(
        takt.vm("rt", takt.program("rtprobe"), [libtakt.reserved(0)], "mode=probe"),
        takt.vm("load", takt.program("matmul"), [libtakt.on_core(0)], "seed=7 quiet")))
    with takt.boot(description, 180, icount=True, cores=1) as console:
        line = console.expect_vm("rt", COUNT, 90)
        assert int(line.group(1)) > 100 and int(line.group(5)) <= LATEST_NS, line.group()
        assert "misses: 0 own, 0 platform" in console.monitor("misses", 60)


def test_two_reservations_on_one_core_get_their_budgets(takt):
    """In the host's time: what it takes away is counted apart, and what is counted as missed otherwise is a bug."""
    description = takt.write("two.dts", libtakt.system(
        takt.vm("rt", takt.program("rtprobe"), [libtakt.reserved(0)], "mode=probe"),
        takt.vm("load", takt.program("matmul"), [libtakt.reserved(0, 4000, 10000)], "quiet")))
    with takt.boot(description, 120, cores=1) as console:
        for _ in range(3):
            console.expect_vm("rt", COUNT, 60)
        rows = takt_console.budget_rows(console.monitor("misses"))
        assert [row.vcpu for row in rows] == ["rt/0", "load/0"]
        assert all(row.own == 0 and row.activations > 50 for row in rows), rows


# ---- descriptions ----------------------------------------------------------------------------------------------------
def one(takt, kernel, more="", memory="0x0 0x0 0x0 0x400000", bootargs=""):
    return takt.write("one.dts", libtakt.system(
        f'one {{ memory = <{memory}>; kernel = "{kernel}"; {bootargs} {more} vcpus {{ vcpu@0 {{ reg = <0>; }}; }}; }};\n'))


MISTAKES = {  # kernel, what else; the property, what is wrong, what would be right
    "over the devices": ("rtprobe.bin", {"memory": "0x0 0x0 0x0 0xc0200000"}, "memory", "overlap the devices of a PC",
                         "from 0x100000000 on"),
    "not from 0 on": ("rtprobe.bin", {"memory": "0x0 0x40000000 0x0 0x400000"}, "kernel", "a PC has memory from 0 to 1 MiB",
                       "begin at 0"),
    "a device tree": ("rtprobe.bin", {"more": 'device-tree = "one.dts";'}, "device-tree", "ACPI tables", "remove it"),
    "raw without a place": ("linux/initramfs.cpio.gz", {}, "kernel", "no kernel that says where it goes", "load-address"),
    "a place for a kernel that has one": ("rtprobe.bin", {"more": "load-address = <0x0 0x8000>;"}, "kernel",
                                          "says itself where it is loaded", 'type = "raw"'),
    "too little memory": ("linux/bzImage-cloud", {}, "kernel", "is not all memory of the VM", "memory up to there"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told(takt, name):
    kernel, what, where, wrong, remedy = MISTAKES[name]
    result = takt.check(one(takt, takt.guest(kernel), **what))
    assert result.returncode == 1
    assert any(f"/vms/one:{where}: " in line and wrong in line and remedy in line.split(wrong, 1)[1]
               for line in result.stdout.splitlines()), result.stdout


def test_the_hypervisor_says_the_same_and_starts_nothing(takt):
    with takt.boot(one(takt, takt.program("rtprobe"), "load-address = <0x0 0x8000>; spis = <40>;"), cores=1) as console:
        console.seen("/vms/one:kernel: says itself where it is loaded; remove load-address", 60)
        console.seen("/vms/one:spis: 40 is not a multiple of 32; 64")
        console.seen("nothing is started")


# ---- guests ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("flavour", ["cloud", "full"])
def test_linux_with_one_vcpu(takt, flavour):
    description = takt.write("one-linux.dts", libtakt.system(takt.vm(
        "l", takt.guest(f"linux/bzImage-{flavour}"), [libtakt.reserved(0, 8000, 10000)], "console=ttyS0 quiet takt.name=l",
        192, f'initrd = "{takt.guest("linux/initramfs.cpio.gz")}";')))
    with takt.boot(description, 180, cores=1) as console:
        for channel, tty in (("l", "ttyS0"), ("l:hvc0", "hvc0")):
            up = console.seen(rf"(?m)^\[{channel}\] takt-linux: up (\S+) cpus=1 on {tty}$", 120)
            assert ("cloud" in up.group(1)) == (flavour == "cloud")
        console.challenge("l", console.vm_numbers()["l"], 60)
        console.type_line("echo at $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)")
        assert console.expect(r"(?m)^\[l(?::hvc0)?\] at (.*)\n", 30).group(1) in ("tsc", "kvm-clock")
        assert console.quit() == 0


def raw_system(takt, text):
    """A VM with this program in real mode."""
    source = takt.write("raw.S", text)
    subprocess.run(["x86_64-linux-gnu-gcc", "-m32", "-nostdlib", "-static", "-no-pie", "-Wl,-Ttext=0x8000,--entry=0x8000,"
                    "--oformat=binary,--build-id=none", "-o", takt.folder / "raw.bin", source], check=True, timeout=60)
    return takt.write("raw.dts", libtakt.system(takt.vm(
        "raw", "raw.bin", [libtakt.on_core()], more="load-address = <0x0 0x8000>;")))


def test_a_hypercall_timer_takes_vectors_of_interrupts_alone(takt):
    """None stands for another: 0 is arm64's word for a default, and what is below 32 is an exception's."""
    with takt.boot(raw_system(takt, CHOICES), cores=1) as console:
        console.expect_vm("raw", "nnnnyyn")


def test_a_raw_program_in_real_mode(takt):
    """Prints one line by the UART's ports and switches itself off by the sleep control register."""
    with takt.boot(raw_system(takt, RAW), cores=1) as console:
        console.expect_vm("raw", "real mode")
        assert console.vm_reaches("raw", "off").reason == "the guest powered itself off"


def test_cr0_reads_as_written_and_single_steps_are_told_while_caches_stay_on(takt):
    with takt.boot(raw_system(takt, BESIDE), cores=1) as console:
        console.expect_vm("raw", "beside: ok")
        caches_off = 1 << 30 | 1 << 29
        read, used = (int(word, 16) for word in console.seen(r", CR0 ([0-9a-f]+), used ([0-9a-f]+)").groups())
        assert read & caches_off == 1 << 30 and used & caches_off == 0


def test_a_triple_fault_ends_its_vm_alone(takt):
    description = takt.write("fault.dts", libtakt.system(
        takt.vm("rt", takt.program("rtprobe"), [libtakt.reserved(0)], "mode=probe"),
        takt.vm("bad", takt.program("hostile"), [libtakt.on_core(0)], "attack=triple-fault")))
    with takt.boot(description, cores=1) as console:
        row = console.vm_reaches("bad", "failed")
        assert re.match(r"VCPU 0: triple fault at RIP 0x\w+", row.reason), row
        first = int(console.expect_vm("rt", COUNT).group(1))
        assert int(console.expect_vm("rt", COUNT).group(1)) > first
        assert console.vm_row("rt")[:3] == ("running", 1, 0)

# SPDX-License-Identifier: Apache-2.0
"""Debian's own kernels as SMP guests that share cores: shells on both consoles, cyclictest, the end of a machine."""
import random
import re

import libtakt
import pytest

CLOUD, RT = "cloud", "rt"
# By architecture: what a kernel's file is called, and its console on a UART.
KERNELS = {"arm64": ("Image", "ttyAMA0"), "x86": ("bzImage", "ttyS0")}
BOTH = pytest.mark.boards("qemu-arm64", "qemu-x86")
BOOT_SECONDS = 120
PER_SYSTEM = 300


def linux(takt, name, flavour, vcpus, more=""):
    image, tty = KERNELS[takt.arch]
    return takt.vm(name, takt.guest(f"linux/{image}-{flavour}"), vcpus, f"console={tty} quiet takt.name={name}", 192,
                   f'initrd = "{takt.guest("linux/initramfs.cpio.gz")}"; {more}')


@pytest.fixture
def two_linux(takt):
    """Four VCPUs on two cores: one of each kernel on each core."""
    return takt.write("two-linux.dts", libtakt.system(
        linux(takt, CLOUD, CLOUD, [libtakt.reserved(core, 4000, 10000) for core in (0, 1)], 'restart = "never";'),
        linux(takt, RT, RT, [libtakt.on_core(core) for core in (0, 1)], 'restart = "always";')))


def up(console, vm, channel, tty):
    release = console.seen(rf"(?m)^\[{channel}\] takt-linux: up (\S+) cpus=(\d+) on {tty}$", BOOT_SECONDS)
    assert release.group(2) == "2"
    assert vm == CLOUD and "cloud" in release.group(1) or vm == RT and "-rt" in release.group(1)


def ask(console, numbers, vm, command, pattern, timeout=60):
    """Types a command at the VM's shell, whichever console of it has the input; waits for a line of the answer."""
    console.focus(numbers[vm])
    console.type_line(command)
    return console.expect(rf"(?m)^\[{vm}(?::hvc0)?\] (?:{pattern})\n", timeout, f"{vm} to answer {command!r}")


@pytest.mark.parametrize("gic", [3, 2])
def test_both_kernels_to_shells_on_shared_cores(takt, two_linux, gic):
    with takt.boot(two_linux, PER_SYSTEM, gic=gic, cores=2) as console:
        for vm in (CLOUD, RT):
            up(console, vm, vm, "ttyAMA0")
            up(console, vm, vm + ":hvc0", "hvc0")
        numbers = console.vm_numbers()
        for vm in (CLOUD, RT):
            console.challenge(vm, numbers[vm], 60)
            assert ask(console, numbers, vm, "echo cores=$(nproc)", r"cores=(\d+)").group(1) == "2"
        # Both CPUs of each take interrupts of their own timers: each does something in turn.
        for vm in (CLOUD, RT):
            for cpu in (0, 1):
                a = random.randint(1000, 9999)
                ask(console, numbers, vm, f"taskset {1 << cpu} echo on{cpu}=$(({a}+1))", rf"on{cpu}={a + 1}")
        timers = ask(console, numbers, RT, "grep arch_timer /proc/interrupts", r" *\d+: +(\d+) +(\d+) .*arch_timer.*")
        assert int(timers.group(1)) > 0 and int(timers.group(2)) > 0
        result = ask(console, numbers, RT, "cyclictest -m -p 90 -i 2000 -l 300 -q -t 2",
                     r"T: 1 .* C: +(\d+) Min: +\d+ Act: +\d+ Avg: +\d+ Max: +(\d+)", 120)
        assert int(result.group(1)) > 0
        console.challenge(CLOUD, numbers[CLOUD], 60)
        assert console.quit() == 0


@BOTH
@pytest.mark.parametrize("channel", ["", ":hvc0"], ids=["uart", "hvc0"])
def test_each_console_takes_and_gives(takt, channel):
    """With one console alone; 2 KiB of it arrive whole and in order."""
    tty, off = ("hvc0", "") if channel else (KERNELS[takt.arch][1], "no-virtio-console;")
    one = takt.write("one.dts", libtakt.system(linux(takt, CLOUD, CLOUD, [libtakt.on_core()] * 2, off)))
    with takt.boot(one, PER_SYSTEM, cores=2) as console:
        up(console, CLOUD, CLOUD + channel, tty)
        number = console.vm_numbers()[CLOUD]
        console.challenge(CLOUD, number, 60)
        console.type_line(f"for i in $(seq 1 200); do echo line-$i-of-200; done >/dev/{tty}; echo all-$((100+100))")
        # The shell that has the input may be the other console's: the two come in no order.
        console.seen(r"(?m)^\[cloud(?::hvc0)?\] .*all-200\n", 60)
        console.seen_vm(CLOUD + channel, "line-200-of-200", 60)
        lines = "\n".join(console.lines_of(CLOUD + channel))
        seen = [int(n) for n in re.findall(r"(?m)line-(\d+)-of-200$", lines)]  # the first may follow the prompt
        assert seen == list(range(1, 201))


@BOTH
def test_poweroff_and_reboot_of_linux(takt):
    """poweroff ends the VM and says so, reboot boots it again, and the other VM does not notice."""
    two = takt.write("ends.dts", libtakt.system(
        takt.vm("rt", takt.program("rtprobe"), [libtakt.reserved(0)], "mode=probe"),
        linux(takt, CLOUD, CLOUD, [libtakt.on_core(0), libtakt.on_core(1)], 'restart = "never";')))
    with takt.boot(two, PER_SYSTEM, cores=2) as console:
        up(console, CLOUD, CLOUD, KERNELS[takt.arch][1])
        numbers = console.vm_numbers()
        console.challenge(CLOUD, numbers[CLOUD], 60)
        console.type_line("reboot -f")
        console.expect_vm(CLOUD, "takt-linux: up", BOOT_SECONDS)
        assert console.vm_row(CLOUD)[:3] == ("running", 2, 0)
        console.challenge(CLOUD, numbers[CLOUD], 60)
        console.type_line("poweroff -f")
        console.expect(r"(?m)^\[takt\] .*cloud.*", 30)
        assert console.vm_reaches(CLOUD, "off")[:3] == ("off", 2, 0)
        console.expect_vm("rt", r"count \d+", 30)
        console.monitor(f"start {CLOUD}")
        console.expect_vm(CLOUD, "takt-linux: up", BOOT_SECONDS)
        assert console.vm_row(CLOUD)[:2] == ("running", 3)
        assert console.quit() == 0



@BOTH
def test_a_vcpu_in_two_pieces_boots_to_a_shell(takt):
    """Beside two reservations that leave none of the two cores enough for its first VCPU."""
    large = libtakt.reserved(None, 28000, 40000)
    system = takt.write("split-linux.dts", libtakt.system(
        *(takt.vm(f"large{n}", takt.program("rtprobe"), [large], "mode=idle") for n in (0, 1)),
        linux(takt, CLOUD, CLOUD, [libtakt.reserved(None, 18000, 40000), libtakt.on_core()])))
    with takt.boot(system, PER_SYSTEM, cores=2) as console:
        console.seen("cloud .* piece 1 of 2", 60)
        up(console, CLOUD, CLOUD, KERNELS[takt.arch][1])
        number = console.vm_numbers()[CLOUD]
        for _ in range(3):
            console.challenge(CLOUD, number, 60)
        row = next(line.split() for line in console.monitor("vcpus").splitlines() if line.startswith("cloud "))
        assert row[1] == "0" and int(row[-1]) > 50  # moves
        assert console.quit() == 0

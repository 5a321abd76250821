# SPDX-License-Identifier: Apache-2.0
"""The x86 guests on QEMU's PC without a hypervisor: what is wrong here is not Takt's fault."""
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
GUESTS = ROOT / "build/guests-x86"
MACHINE = ["qemu-system-x86_64", "-M", "q35", "-cpu", "max", "-m", "256", "-nodefaults", "-serial", "stdio", "-display", "none",
           "-no-reboot"]
# An instruction is a nanosecond. The APIC's timer is programmed by MMIO: QEMU 10 ends with "Bad icount read" on its MSRs.
ICOUNT = ["-icount", "shift=0,sleep=off"]
WORD = (1 << 64) - 1


def run(guest, arguments, *options, seconds=90, cpus=2):
    """What the guest printed; it has to switch its machine off in that time."""
    image = GUESTS / f"{guest}.bin"
    if not image.exists():
        pytest.skip(f"{image.relative_to(ROOT)} is not built (make guests BOARD=qemu-x86)")
    done = subprocess.run([*MACHINE, "-smp", str(cpus), *options, "-kernel", image, "-append", arguments], timeout=seconds,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout.replace("\r", "")


def run_for(guest, arguments, seconds):
    """What a guest that does not end printed in that time."""
    try:
        return run(guest, arguments, seconds=seconds)
    except subprocess.TimeoutExpired as over:
        return (over.stdout or b"").decode().replace("\r", "")


def rows(text):
    return {name: [int(figure) for figure in figures.split()]
            for name, figures in re.findall(r"^BENCH (\S+) \w+ ([\d ]+)$", text, re.MULTILINE)}


@pytest.mark.parametrize("mode", ["x2apic", "xapic"])
def test_the_probe_measures_and_ends(mode):
    text = run("rtprobe", f"mode=probe seconds=2 {mode}")
    assert "rtprobe: 2 VCPU, counter " in text and "not on Takt" in text
    lines = re.findall(r"count (\d+) lateness ns min (\d+) mean (\d+) p99 (\d+) max (\d+)", text)
    assert len(lines) == 2 and int(lines[1][0]) > 10
    assert text.endswith("rtprobe: end\n")


def test_a_tickless_guest_needs_the_hypervisor():
    assert run("tickless", "").endswith("tickless: no hypervisor with timers here\n")


def test_an_instruction_is_a_nanosecond():
    text = run("rtprobe", "mode=bench-bcdgp samples=10 xapic", *ICOUNT)
    found = rows(text)
    for row, instructions in {"cpuid_exit": 3, "port_exit": 3, "apic_read": 2}.items():
        assert found[row] == [instructions] * 4 + [2000], text
    assert found["timer_running"][3] < 100 and found["timer_hlt"][3] < 100 and found["ipi_remote"][3] < 100, text
    assert 4_014_000 <= found["periodic_response"][0] <= found["periodic_response"][3] < 4_015_000, text
    assert found["periodic_misses"][0] == 0 and "BENCH-DONE" in text


def checksum(seed):
    """matmul_round() of guests/matmul/product_fp.c in whole numbers."""
    state, size = seed, 64

    def small():
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) & WORD
        return (state >> 33) % 255 - 127

    a, b = [[0] * size for _ in range(size)], [[0] * size for _ in range(size)]
    for i in range(size):
        for j in range(size):
            a[i][j] = small()
            b[i][j] = small()
    columns, total = list(zip(*b)), 0
    for row in a:
        for column in columns:
            total = (total * 31 + sum(x * y for x, y in zip(row, column))) & WORD
    return total


def test_the_product_is_right():
    text = run_for("matmul", "seed=3", 8)
    found = re.findall(r"round (\d+) checksum ([0-9a-f]{16}) ok", text)
    assert found and "FAILED" not in text, text
    for number, value in found[:2]:
        assert checksum((3 << 32) + int(number)) == int(value, 16)


@pytest.mark.parametrize("arguments,line", [("mode=fpcheck", r"fpcheck: \d+ ok"),
                                            ("storm-sgi", r"storm hypercalls \d+ ticks [1-9]\d* timers 0 sgis [1-9]\d*")])
def test_the_loads_run(arguments, line):
    text = run_for("matmul", arguments, 8)
    assert re.search(line, text) and "FAILED" not in text, text


def test_a_second_vcpu_is_needed_and_said():
    assert "row g needs a second VCPU" in run("rtprobe", "mode=bench-g", cpus=1)


# What QEMU's own devices bear; the rest, such as timers of the shortest period, needs a hypervisor between.
BORNE = ("table-reserved", "exceptions", "software-interrupts", "cr0-bits", "xcr-bits", "stack-noncanonical", "read-msrs",
         "string-io-faults", "svm-instructions", "call-instructions", "ipi-self", "apic-priorities", "apic-registers",
         "timer-past", "mmio-moves", "mmio-code-changing", "smp-on-off")


@pytest.mark.parametrize("attack", BORNE)
def test_an_attack_leaves_the_guest_alive(attack):
    text = run("hostile", f"attack={attack} xapic")
    assert re.search(rf"hostile: {attack} survived trapped \d+ passed \d+\nhostile: done 1\n$", text), text


def test_a_triple_fault_ends_the_machine():
    assert run("hostile", "attack=triple-fault").endswith("triple-fault start\n")


def test_linux_comes_up():
    kernel, initrd = GUESTS / "linux/bzImage-cloud", GUESTS / "linux/initramfs.cpio.gz"
    if not kernel.exists():
        pytest.skip("no Linux for x86 is assembled (make guests BOARD=qemu-x86)")
    with subprocess.Popen([*MACHINE, "-smp", "2", "-kernel", kernel, "-initrd", initrd, "-append",
                           "console=ttyS0 quiet takt.name=x"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as machine:
        try:
            said = b""
            while b"takt-linux: up" not in said or b"\n" not in said.split(b"takt-linux: up")[1]:
                more = machine.stdout.read1(4096)
                assert more, said
                said += more
            assert re.search(rb"takt-linux: up 6\.\S+ cpus=2 on ttyS0", said), said
        finally:
            machine.kill()

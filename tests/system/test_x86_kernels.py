# SPDX-License-Identifier: Apache-2.0
"""Guests from ELF files, and on VMX: several VCPUs, hostile guests, and a probe beside them that has its budget.

In Bochs one boot has to show all that test_hostile.py shows of SVM: what differs with the virtualisation.
"""
import re
import subprocess

import libtakt
import pytest
import takt_console

SOURCE = libtakt.ROOT / "tests/system/kernel_probe.S"
INITRD = "the first line of its initrd\n"
# What ends differently, or elsewhere, on VMX: its own instructions and those of others, control registers, MSRs, exceptions, the
# local APIC, string I/O and decoded accesses, and ways to end. Each row is a VM.
SURVIVED = (
    "svm-instructions,svm-enabled,vmx-instructions,other-instructions,call-instructions,undefined-instructions,exceptions,cr0-bits,"
    "cr4-bits,cr8-bits,efer-bits,xcr-bits,read-msrs,pat-values,apic-all-vectors,apic-illegal-vectors,apic-msrs,string-io,"
    "string-io-faults,mmio-moves,mmio-code-across-pages,table-reserved",
    "apic-registers xapic", "smp-on-off,smp-ipi-storm cycles=3")
ENDED = ("mmio-code-at-end", "triple-fault", "execute-outside", "root-outside", "smp-other-crashes")
EITHER = ("cr4-reserved", "paging-off", "apic-base", "table-last-page")


def elf(takt, name, *options):
    """The VM of that name, started by its ELF file."""
    file = takt.folder / f"{name}.elf"
    subprocess.run(["x86_64-linux-gnu-gcc", "-m32", "-nostdlib", "-static", "-no-pie", "-Wl,-Ttext-segment=0x110000,--build-id=none",
                    "-Wl,-z,max-page-size=4096", *options, "-o", file, SOURCE], check=True, timeout=60)
    initrd = takt.write(f"{name}.initrd", INITRD + "\0")
    return takt.vm(name, file, [libtakt.on_core(0)], f"told={name} 1", 4, f'initrd = "{initrd}";')


def said(console, name, by, seconds):
    for line in (f"by {by}", f"told={name} 1", INITRD.strip()):
        console.seen(rf"(?m)^\[{name}\] {re.escape(line)}$", seconds)
    assert console.vm_reaches(name, "off", seconds).reason == "the guest powered itself off"


@pytest.mark.boards("qemu-x86")
def test_kernels_in_elf_files(takt):
    description = takt.write("elf.dts", libtakt.system(elf(takt, "pvh", "-DPVH"), elf(takt, "mb")))
    with takt.boot(description, cores=1) as console:
        said(console, "pvh", "PVH", 60)
        said(console, "mb", "Multiboot", 60)
        assert console.quit() == 0


@pytest.mark.boards("bochs-vmx")
def test_on_vmx(takt):
    vms = {f"h{i}": attacks for i, attacks in enumerate((*SURVIVED, *ENDED, *EITHER))}
    probe = takt.vm("rt", takt.program("rtprobe"), [libtakt.reserved(1, 2000, 10000, 5000)], "mode=probe")
    description = takt.write("vmx.dts", libtakt.system(
        probe, elf(takt, "pvh", "-DPVH"), elf(takt, "mb"),
        *(takt.vm(vm, takt.program("hostile"), [libtakt.on_core(core) for core in ((0, 1) if attacks.startswith("smp-") else (0,))],
                  f"attack={attacks}") for vm, attacks in vms.items())))
    with takt.boot(description, 560, cores=2) as console:
        said(console, "pvh", "PVH", 300)
        said(console, "mb", "Multiboot", 60)
        for vm, attacks in vms.items():
            states = "off" if attacks in SURVIVED else "failed" if attacks in ENDED else ("off", "failed")
            assert console.vm_reaches(vm, states, 300).starts == 1, attacks
            if attacks in SURVIVED:
                for attack in attacks.split()[0].split(","):
                    console.seen_vm(vm, rf"hostile: {attack} survived trapped \d+ passed \d+", 60)
            else:
                console.seen_vm(vm, f"hostile: {attacks} start", 60)
        console.expect_vm("rt", r"count \d+", 100)
        rows = takt_console.budget_rows(console.monitor("misses", 100))
        assert [row.vcpu for row in rows] == ["rt/0"] and rows[0].own == 0 and rows[0].activations > 0, rows


@pytest.mark.boards("qemu-x86")
@pytest.mark.parametrize("vcpus", [4, 8])
def test_linux_with_many_vcpus(takt, vcpus):
    """On four cores: each VCPU does something in turn, and takes interrupts of its own timer and from the others."""
    description = takt.write("many.dts", libtakt.system(takt.vm(
        "l", takt.guest("linux/bzImage-cloud"), [libtakt.on_core(i % 4) for i in range(vcpus)],
        "console=ttyS0 quiet takt.name=l", 256, f'initrd = "{takt.guest("linux/initramfs.cpio.gz")}"; no-virtio-console;')))
    with takt.boot(description, 280, cores=4) as console:
        console.seen_vm("l", rf"takt-linux: up \S+ cpus={vcpus} on ttyS0", 180)
        number = console.vm_numbers()["l"]
        console.challenge("l", number, 60)
        for cpu in range(vcpus):
            console.type_line(f"taskset {1 << cpu:x} sh -c 'echo on{cpu}=$(({cpu}*7+1000))'")
            console.expect_vm("l", rf"on{cpu}={cpu * 7 + 1000}", 60)
        for row, enough in (("LOC", all), ("CAL", any)):
            console.type_line(f"grep {row} /proc/interrupts")
            told = console.expect(rf"(?m)^\[l\] (?:l# )? *{row}: *((?:\d+ +){{{vcpus}}})", 60)
            assert enough(int(count) > 0 for count in told.group(1).split()), told.group()
        assert console.quit() == 0

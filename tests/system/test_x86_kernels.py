# SPDX-License-Identifier: Apache-2.0
"""What the PC's guests are made of: kernels in ELF files, several VCPUs, and on VMX the attacks that SVM shows otherwise."""
import re
import subprocess

import libtakt
import pytest

SOURCE = libtakt.ROOT / "tests/system/kernel_probe.S"
INITRD = "the first line of its initrd\n"
BOTH = pytest.mark.boards("qemu-x86", "bochs-vmx")


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

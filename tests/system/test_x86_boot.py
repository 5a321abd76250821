# SPDX-License-Identifier: Apache-2.0
"""The emulated PCs themselves, tried with a small program in the hypervisor's place: it is loaded, gets its module, talks
both ways, and switches the machine off."""
import subprocess

import libtakt
import pytest

MODULE = "takt probe module"
BOOTED_BY = {"kernel": 1, "grub": 2}  # version of Multiboot


@pytest.fixture
def probe(takt):
    """A Takt whose hypervisor is the probe, and its module."""
    elf, image, module = (takt.folder / name for name in ("probe.elf", "takt.Image", "module.itb"))
    source = libtakt.ROOT / "tests/system/pc_probe.S"
    subprocess.run(["x86_64-linux-gnu-gcc", "-m32", "-nostdlib", "-static", "-no-pie", "-Wl,-Ttext=0x100000,--build-id=none",
                    "-o", elf, source], check=True, timeout=60)
    subprocess.run(["x86_64-linux-gnu-objcopy", "-O", "binary", elf, image], check=True, timeout=60)
    module.write_text(MODULE + "\n", encoding="ascii")
    takt.hypervisor = image
    return takt, module


def talks(console, multiboot):
    console.expect(rf"(?m:^)multiboot {multiboot} ok\n{MODULE}\n", 60)
    console.process.send("three\x03\x1dm keys")
    console.expect("three\x03\x1dm keys", 20)
    console.process.send("q")
    assert console.expect_end(30) == 0


@pytest.mark.boards("qemu-x86")
@pytest.mark.parametrize("way", ["kernel", "grub"])
@pytest.mark.parametrize("options", [{}, {"cpu": "EPYC", "cores": 1, "memory_mib": 3072}, {"icount": True, "cores": 2}],
                         ids=["default", "EPYC", "icount"])
def test_qemu(probe, way, options):
    takt, module = probe
    with takt.boot_image(module, 60, boot=way, **options) as console:
        talks(console, BOOTED_BY[way])


@pytest.mark.boards("bochs-vmx")
@pytest.mark.parametrize("cores", [1, 2])
def test_bochs(probe, cores):
    takt, module = probe
    with takt.boot_image(module, 120, cores=cores) as console:
        console.seen("GRUB starts Takt", 60)
        talks(console, 2)

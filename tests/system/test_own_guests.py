# SPDX-License-Identifier: Apache-2.0
"""A user's own guest: raw binaries, own device trees, overlays, assigned devices; and images that must not start."""
import pathlib
import shutil
import subprocess

import libtakt
import pytest

# Prints one line on the PL011 and what x0 leads to (the device tree's magic, as found), then switches itself off.
RAW_SOURCE = """
    .globl _start
_start:
    ldr w20, [x0]
    ldr x19, =0x09000000
    adr x1, text
1:  ldrb w2, [x1], #1
    cbz w2, 2f
    strb w2, [x19]
    b 1b
2:  ldr w3, =0xedfe0dd0
    cmp w20, w3
    mov w2, #'y'
    mov w4, #'n'
    csel w2, w2, w4, eq
    strb w2, [x19]
    mov w2, #10
    strb w2, [x19]
    .ifdef DEVICE
    ldr x5, =DEVICE
    ldr w6, [x5]                    // PL031: seconds, never 0 here
    cmp w6, #0
    mov w2, #'t'
    mov w4, #'0'
    csel w2, w2, w4, ne
    strb w2, [x19]
    mov w2, #10
    strb w2, [x19]
    .endif
    movz x0, #0x8400, lsl #16
    movk x0, #8
    hvc #0
    b .
text: .asciz "raw: tree at x0: "
"""
OWN_TREE = """/dts-v1/;
/ { #address-cells = <2>; #size-cells = <2>; compatible = "mine";
    memory@40000000 { device_type = "memory"; reg = <0 0x40000000 0 0x400000>; };
    chosen { bootargs = "mode=own-tree"; stdout-path = "/pl011@9000000"; };
    psci { compatible = "arm,psci-1.0"; method = "hvc"; };
    cpus { #address-cells = <1>; #size-cells = <0>;
        cpu@0 { device_type = "cpu"; compatible = "arm,armv8"; reg = <0>; enable-method = "psci"; }; };
    intc: intc@8000000 { compatible = "arm,gic-v3"; #interrupt-cells = <3>; interrupt-controller;
        reg = <0 0x8000000 0 0x10000 0 0x80a0000 0 0xf60000>; };
    timer { compatible = "arm,armv8-timer"; interrupt-parent = <&intc>;
        interrupts = <1 13 4>, <1 14 4>, <1 11 4>, <1 10 4>; };
    pl011@9000000 { compatible = "arm,pl011", "arm,primecell"; reg = <0 0x9000000 0 0x1000>;
        interrupt-parent = <&intc>; interrupts = <0 1 4>; };
};
"""
OVERLAY = """/dts-v1/;
/plugin/;
/ { fragment@0 { target-path = "/chosen"; __overlay__ { bootargs = "mode=from-overlay"; }; }; };
"""


def raw_binary(takt, *defines):
    source, elf, binary = (takt.folder / name for name in ("raw.S", "raw.elf", "raw.bin"))
    source.write_text(RAW_SOURCE, encoding="ascii")
    subprocess.run(["aarch64-linux-gnu-gcc", "-nostdlib", "-static", "-Wl,-Ttext=0x40080000,--build-id=none",
                    *defines, "-o", elf, source], check=True)
    subprocess.run(["aarch64-linux-gnu-objcopy", "-O", "binary", elf, binary], check=True)
    return binary


def compiled(takt, name, text):
    path = takt.folder / name
    subprocess.run(["dtc", "-q", "-I", "dts", "-O", "dtb", "-o", path, "-"], input=text, text=True, check=True)
    return path


def test_a_raw_binary_beside_the_description(takt):
    raw_binary(takt)
    description = takt.write("own.dts", libtakt.system(takt.vm(
        "own", "raw.bin", [libtakt.on_core()], more="load-address = <0x0 0x40080000>;")))
    with takt.boot(description, cores=1) as console:
        console.expect_vm("own", "raw: tree at x0: y")
        assert console.vm_reaches("own", "off").reason == "the guest powered itself off"


def test_an_own_device_tree_and_an_overlay(takt):
    tree, overlay = compiled(takt, "mine.dtb", OWN_TREE), compiled(takt, "more.dtbo", OVERLAY)
    image = takt.program("rtprobe")
    description = takt.write("trees.dts", libtakt.system(
        takt.vm("tree", image, [libtakt.on_core()], more=f'device-tree = "{tree.name}";'),
        takt.vm("over", image, [libtakt.on_core()], "mode=overwritten", more=f'overlay = "{overlay.name}";'),
        takt.vm("both", image, [libtakt.on_core()],
                   more=f'device-tree = "{tree.name}"; overlay = "{overlay.name}";')))
    with takt.boot(description, cores=1) as console:
        console.seen_vm("tree", "mode own-tree")
        console.seen_vm("over", "mode from-overlay")
        console.seen_vm("both", "mode from-overlay")


def test_the_clock_is_assigned_to_a_raw_guest(takt):
    raw_binary(takt, "-Wa,--defsym,DEVICE=0x09010000")
    text = libtakt.system(takt.vm("own", "raw.bin", [libtakt.on_core()], more="load-address = <0x0 0x40080000>;"))
    with_clock = text.replace("vcpus {", 'devices { clock { device = "/pl031@9010000"; }; }; vcpus {')
    with takt.boot(takt.write("clock.dts", with_clock), cores=1) as console:
        console.expect_vm("own", "raw: tree at x0: y")
        console.expect(r"(?m)^\[own\] t$")
        console.vm_reaches("own", "off")
    # Without it the same access finds nothing, and that ends the VM.
    with takt.boot(takt.write("none.dts", text), cores=1) as console:
        assert "where its machine has nothing" in console.vm_reaches("own", "failed").reason


def test_the_clock_is_assigned_to_linux(takt):
    kernel, initrd = takt.guest("linux/Image-cloud"), takt.guest("linux/initramfs.cpio.gz")
    description = takt.write("rtc.dts", libtakt.system(takt.vm(
        "cloud", kernel, [libtakt.on_core()] * 2, "console=ttyAMA0 quiet takt.name=cloud", 192,
        f'initrd = "{initrd}"; ')).replace("vcpus {", 'devices { clock { device = "/pl031@9010000"; }; }; vcpus {'))
    with takt.boot(description, 200, cores=2) as console:
        console.seen_vm("cloud", "takt-linux: up", 120)
        console.challenge("cloud", console.vm_numbers()["cloud"], 60)
        console.type_line("echo rtc=$(cat /sys/class/rtc/rtc0/name) at=$(cat /sys/class/rtc/rtc0/since_epoch)")
        told = console.expect(r"(?m)^\[cloud(?::hvc0)?\] (?:cloud# )?rtc=rtc-pl031.* at=(\d+)\n", 60)
        assert int(told.group(1)) > 1_600_000_000


@pytest.mark.parametrize("device,words", [
    ("/pl011@9000000", "hypervisor"), ("/fw-cfg@9020000", "DMA"), ("/virtio_mmio@a000000", "DMA"),
    ("/nothing@1", "no such")])
def test_devices_that_are_refused(takt, device, words):
    text = libtakt.system(takt.vm("rt", takt.program("rtprobe"), [libtakt.on_core()])).replace(
        "vcpus {", f'devices {{ d {{ device = "{device}"; }}; }}; vcpus {{')
    with takt.boot(takt.write("refused.dts", text), cores=1) as console:
        said = console.seen(r"(?m)^\[takt\] .*/vms/rt/devices/d.*\n").group()
        assert words in said, said
        console.seen("nothing is started")
        assert "[rt] " not in console.text


def broken(takt, change):
    """A packed good system with its bytes changed."""
    good = takt.pack(takt.write("good.dts", libtakt.system(
        takt.vm("rt", takt.program("rtprobe"), [libtakt.on_core()]))))
    bad = takt.folder / "bad.itb"
    shutil.copy(good.with_suffix(".system.itb"), bad)
    data = bytearray(bad.read_bytes())
    bad.write_bytes(change(data))
    return bad


@pytest.mark.boards("qemu-arm64", "qemu-x86")
@pytest.mark.parametrize("change", [
    lambda data: data[:len(data) // 2], lambda data: data[:20], lambda data: b"",
    lambda data: data[:-5000] + bytes([data[-5000] ^ 1]) + data[-4999:],
    lambda data: bytes(4) + data[4:]], ids=["half", "header", "empty", "flipped", "magic"])
def test_a_broken_image_starts_nothing(takt, change):
    bad = broken(takt, change)
    with takt.boot_image(pathlib.Path(bad), cores=1) as console:
        console.seen("nothing is started|no system image", 30)
        assert "[rt] " not in console.text


@pytest.mark.boards("qemu-arm64", "qemu-x86")
def test_what_admission_refuses_starts_nothing(takt):
    description = takt.write("much.dts", libtakt.system(
        takt.vm("a", takt.program("rtprobe"), [libtakt.reserved(0, 600, 1000)]),
        takt.vm("b", takt.program("rtprobe"), [libtakt.reserved(0, 500, 1000)])))
    with takt.boot(description, cores=1) as console:
        console.seen(r"\[takt\] .*core 0.*", 30)
        console.seen("nothing is started", 30)
        assert "[a] " not in console.text and "[b] " not in console.text

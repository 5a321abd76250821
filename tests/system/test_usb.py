# SPDX-License-Identifier: Apache-2.0
"""The stick that a PC starts from, as `make image BOARD=pc` makes it and dd writes it."""
import disk
import libtakt
import pytest
import takt_console

MIB = 1 << 20


@pytest.mark.boards("pc")
def test_a_larger_stick_with_an_old_table_at_its_end_boots(takt):
    """dd leaves what lies behind the image: a former table's backup is the last sector that the firmware reads."""
    itb = takt.pack(takt.write("usb.dts", libtakt.system(takt.vm("rt", takt.program("rtprobe"), [libtakt.reserved(1)], "mode=probe"))))
    emulated = takt.machine(cpu="EPYC", cores=2, memory_mib=512)
    stick = disk.medium(emulated, takt.folder / "stick.img", takt.hypervisor, itb)
    image = stick.read_bytes()
    old = takt.folder / "old.img"
    with open(old, "wb") as file:
        file.truncate(len(image) + 64 * MIB)
    disk.run("sfdisk", "--quiet", str(old), text="label: gpt\nstart=2048, size=4096, type=uefi\nstart=8192, type=linux\n")
    with open(old, "r+b") as file:
        file.write(image)
    with takt_console.Console(emulated.command(None, None, old), takt.folder / "console.log", 120) as console:
        console.seen_vm("rt", "mode probe")
        assert console.quit() == 0

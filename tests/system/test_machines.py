# SPDX-License-Identifier: Apache-2.0
"""Two bare-metal guests count and compute on every machine and by every way to boot that is supported."""
import libtakt
import pytest

COUNT = r"count (\d+) lateness"
ROUND = r"round (\d+) checksum \w+ ok"


@pytest.fixture
def pair(takt):
    """A probe with a reservation and a best-effort load."""
    return takt.write("pair.dts", libtakt.system(
        takt.vm("rt", takt.program("rtprobe"), [libtakt.reserved(0)], "mode=probe"),
        takt.vm("load", takt.program("matmul"), [libtakt.on_core()], "seed=7")))


def both_advance(console):
    for vm, pattern in (("rt", COUNT), ("load", ROUND)):
        first = int(console.expect_vm(vm, pattern, 60).group(1))
        assert int(console.expect_vm(vm, pattern, 60).group(1)) > first
    assert console.quit() == 0


@pytest.mark.parametrize("cores", [1, 2, 4, 8])
@pytest.mark.parametrize("gic", [3, 2])
def test_cores_and_interrupt_controllers(takt, pair, gic, cores):
    with takt.boot(pair, gic=gic, cores=cores) as console:
        started = console.seen(r"\[takt\] Takt on .*: (\d+) cores?, counter 62500000 Hz", 60)
        assert int(started.group(1)) == cores
        both_advance(console)


@pytest.mark.parametrize("gic", [3, 2])
@pytest.mark.parametrize("cpu", ["cortex-a57", "cortex-a76", "max"])
def test_cpu_models(takt, pair, cpu, gic):
    with takt.boot(pair, cpu=cpu, gic=gic, cores=2) as console:
        both_advance(console)


@pytest.mark.parametrize("way", ["uboot-bootm", "uboot-booti"])
def test_boot_from_a_disk_with_nothing_typed(takt, pair, way):
    with takt.boot(pair, boot=way, cores=2) as console:
        console.seen(r"U-Boot 20\d\d", 60)
        both_advance(console)


@pytest.mark.parametrize("cpu, gic", [("cortex-a53", 3), ("max", 2)])
def test_boot_by_uefi_with_nothing_typed(takt, pair, cpu, gic):
    with takt.boot(pair, boot="uefi", cpu=cpu, gic=gic, cores=2) as console:
        console.seen(r"UEFI firmware", 60)
        console.seen(r"\[takt\] Takt on .*: 2 cores", 60)
        both_advance(console)


def test_counter_of_1_ghz(takt, pair):
    with takt.boot(pair, counter_hz=1_000_000_000, cores=2) as console:
        console.seen(r"counter 1000000000 Hz", 60)
        both_advance(console)

# SPDX-License-Identifier: Apache-2.0
"""How VMs end and what becomes of them: restart policies and their limit, resets, the monitor's stop and start."""
import libtakt
import pytest

# Attacks of guests/hostile: a fault, it switches itself off, it resets itself. By architecture.
ENDS = {"arm64": ("crash", "psci-off", "psci-reset"), "x86": ("triple-fault", "cpuid-leaves", "port-reset")}
pytestmark = pytest.mark.boards("qemu-arm64", "qemu-x86")


def ending(takt, name, attack, policy="never", limit=None):
    """A guest that ends by itself in one way of ENDS."""
    more = f'restart = "{policy}"; ' + (f"restart-limit = <{limit}>;" if limit else "")
    return takt.vm(name, takt.program("hostile"), [libtakt.on_core()], f"attack={attack}", 4, more)


def after(console, command, vm, pattern):
    """Gives a command and waits for what the VM then prints, which may come before the command's answer."""
    console.open_monitor()
    before = console.position
    answer = console.monitor(command)
    console.position = before
    console.expect_vm(vm, pattern)
    return answer


def test_restart_policies_and_limits(takt):
    crash, off, reset = ENDS[takt.arch]
    description = takt.write("policies.dts", libtakt.system(
        takt.vm("rt", takt.program("rtprobe"), [libtakt.reserved(0)], "mode=probe"),
        ending(takt, "never-crash", crash),
        ending(takt, "failure-crash", crash, "on-failure", 3),
        ending(takt, "failure-off", off, "on-failure", 3),
        ending(takt, "always-off", off, "always", 2),
        ending(takt, "always-crash", crash, "always"),
        ending(takt, "twenty", crash, "always", 20),
        ending(takt, "never-reset", reset)))
    expected = {  # state, starts, restarts by policy
        "never-crash": ("failed", 1, 0),
        "failure-crash": ("failed", 4, 3),
        "failure-off": ("off", 1, 0),
        "always-off": ("off", 3, 2),
        "always-crash": ("failed", 6, 5),
        "twenty": ("failed", 21, 20),
    }
    with takt.boot(description, 180, cores=2) as console:
        for vm, row in expected.items():
            assert console.vm_reaches(vm, row[0], 60)[:3] == row
            line = f"hostile: {off if vm.endswith('off') else crash} start"
            console.position = 0
            for _ in range(row[1]):  # the last may not have been printed yet
                console.expect(rf"(?m:^\[{vm}\] {line}\n)")
            console.position = len(console.text)
            assert console.lines_of(vm).count(line) == row[1]
        # A reset that the guest asks for boots it again whatever the policy, without end and without counting.
        first = console.vm_row("never-reset")
        assert first.restarts == 0
        for _ in range(2):  # the first may have been counted already, and printed late
            console.expect_vm("never-reset", f"{reset} start")
        assert console.vm_row("never-reset").starts > first.starts
        assert console.stop_vm("never-reset").restarts == 0
        console.expect_vm("rt", r"count \d+")
        assert console.quit() == 0


def test_stop_start_and_restart_by_hand(takt):
    description = takt.write("hand.dts", libtakt.system(
        takt.vm("rt", takt.program("rtprobe"), [libtakt.reserved(0)], "mode=probe"),
        takt.vm("load", takt.program("matmul"), [libtakt.on_core(0)], "seed=3"),
        takt.vm("waits", takt.program("matmul"), [libtakt.on_core(1)], "seed=4", 4, "no-autostart;")))
    with takt.boot(description, 180, cores=2) as console:
        console.expect_vm("load", "round")
        assert console.vm_row("waits")[:2] == ("stopped", 0)
        assert "is being started" in after(console, "start waits", "waits", "round")
        assert "not now, it is running" in console.monitor("start waits")
        assert "no VM 'nobody'" in console.monitor("stop nobody")
        console.monitor("stop load")
        assert console.vm_reaches("load", "stopped")[:3] == ("stopped", 1, 0)
        silent_from = len(console.text)
        console.expect_vm("rt", r"count \d+")
        console.expect_vm("rt", r"count \d+")
        assert "[load]" not in console.text[silent_from:]
        after(console, "start load", "load", "matmul: seed 3")
        after(console, "restart load", "load", "matmul: seed 3")
        console.expect_vm("load", "round")
        assert console.vm_row("load")[:3] == ("running", 3, 0)
        after(console, "restart rt", "rt", "mode probe")
        console.expect_vm("rt", r"count \d+")
        assert console.quit() == 0

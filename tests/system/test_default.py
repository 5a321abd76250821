# SPDX-License-Identifier: Apache-2.0
"""What a newcomer starts first: the default system, and `make run HEADLESS=1`'s verdict about it."""
import subprocess
import sys
import tomllib

import libtakt
import pytest


@pytest.mark.boards("qemu-arm64", "qemu-x86", "bochs-vmx", "pc")
def test_the_default_system_holds_its_facts(takt):
    itb = takt.pack(f"boards/{takt.board}/default.dts")
    facts = f"boards/{takt.board}/default.facts.toml"
    result = subprocess.run([sys.executable, "scripts/run.py", "--board", takt.board, "--headless", "--facts", facts,
                             "--hypervisor", str(takt.hypervisor), str(itb)],
                            cwd=libtakt.ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    wanted = tomllib.loads((libtakt.ROOT / facts).read_text(encoding="utf-8"))
    assert "rtprobe" in wanted["ready"] and "rtprobe" in wanted["counts"] and "linux" in wanted["shells"]
    for fact in (*(f"{vm} started" for vm in wanted["ready"]), *(f"the shell of {vm} answered" for vm in wanted["shells"]),
                 *(f"the count of {vm} rose" for vm in wanted["counts"]), "every reserved VCPU got its budget",
                 "the monitor's quit switched the machine off"):
        assert f"ok: {fact}" in result.stdout
    log = itb.with_suffix(".log").read_text(encoding="utf-8")
    for shown in ("memory: ", "admitted: ", "blackout-us", "owns the core", "overhead: "):
        assert f"[takt] {shown}" in log or shown in log

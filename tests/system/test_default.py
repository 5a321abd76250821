# SPDX-License-Identifier: Apache-2.0
"""What a newcomer starts first: the default system, and `make run HEADLESS=1`'s verdict about it."""
import subprocess
import sys

import libtakt
import pytest


@pytest.mark.boards("qemu-arm64", "qemu-x86")
def test_the_default_system_holds_its_facts(takt):
    itb = takt.pack(f"boards/{takt.board}/default.dts")
    result = subprocess.run([sys.executable, "scripts/run.py", "--board", takt.board, "--headless", "--facts",
                             f"boards/{takt.board}/default.facts.toml", "--hypervisor", str(takt.hypervisor), str(itb)],
                            cwd=libtakt.ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    for fact in ("rtprobe started", "linux started", "background started", "the shell of linux answered",
                 "the shell of background answered", "the count of rtprobe rose", "every reserved VCPU got its budget",
                 "the monitor's quit switched the machine off"):
        assert f"ok: {fact}" in result.stdout
    log = itb.with_suffix(".log").read_text(encoding="utf-8")
    for shown in ("memory: ", "admitted: ", "blackout-us", "owns the core", "overhead: "):
        assert f"[takt] {shown}" in log or shown in log

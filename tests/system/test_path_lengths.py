# SPDX-License-Identifier: Apache-2.0
"""The paths that guests wait for most keep their length, to the instruction: the quick systems of `make bench`.

The lengths are those of the compiler that boards/BOARD/path-lengths.json names; with another one the bounds alone hold.
"""
import os
import subprocess

import libtakt
import pytest

SYSTEMS = "^(alone|idle|remote|budget|migrate)$"  # Bochs has the first alone
EXACT = {"qemu-arm64": 12, "qemu-x86": 12, "bochs-vmx": 6}


@pytest.mark.boards("qemu-arm64", "qemu-x86", "bochs-vmx")
def test_the_paths_have_their_recorded_lengths(takt):
    build = os.path.relpath(takt.build, libtakt.ROOT)
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    run = subprocess.run(["make", "bench", f"K={SYSTEMS}", f"BUILD={build}", f"BOARD={takt.board}"], cwd=libtakt.ROOT, env=environment, text=True,
                         capture_output=True, timeout=600, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert " 0 complaints" in run.stdout
    assert f"{EXACT[takt.board]} compared with those recorded" in run.stdout or "is not recorded" in run.stdout, run.stdout

# SPDX-License-Identifier: Apache-2.0
"""What `make` says to wrong input: the place, and what would be right, before it runs anything."""
import os
import subprocess
import sys

import machine
import pytest

# What a make that runs the tests was told is not for those in them.
ENVIRONMENT = {name: value for name, value in os.environ.items()
               if name not in ("MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "BOARD", "SYSTEM", "CORES", "SECONDS", "K", "ONLY", "V")}


def run(*words):
    return subprocess.run(["make", *words], cwd=machine.ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False)


def make(*words):
    done = run(*words)
    return done.returncode, done.stderr


def dry(*words):
    done = run("-n", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("goal", ["run", "image", "trace", "report"])
def test_a_table_is_no_system(goal):
    status, said = make(goal, "SYSTEM=my.csv")
    assert status == 2 and "SYSTEM=my.csv is a table of reservations, which 'make plan' and 'make check' take; give" in said


@pytest.mark.parametrize("goal", ["trace", "report"])
@pytest.mark.parametrize("board", ["pc", "bochs-vmx"])
def test_traces_are_made_on_boards_that_can(goal, board):
    status, said = make(goal, f"BOARD={board}")
    assert status == 2 and f"qemu-arm64 qemu-x86, not on BOARD={board}" in said and "docs/tracing.md" in said


@pytest.mark.parametrize("goal", ["experiments", "experiment-sleep", "experiment-attack"])
def test_the_experiments_with_xen_have_one_board(goal):
    status, said = make(goal, "BOARD=qemu-x86")
    assert status == 2 and "leave BOARD=qemu-x86 out" in said


def test_a_board_that_is_none_is_told_with_those_that_are():
    status, said = make("plan", "BOARD=fly")
    assert status == 2 and "BOARD=fly is not a board; the boards are: bochs-vmx pc qemu-arm64 qemu-x86" in said


@pytest.mark.parametrize("name, kind", [("boards", "system description (.dts)"), ("nix.dts", "system description (.dts)"),
                                        ("nix.csv", "table of reservations (.csv)")])
def test_a_system_that_is_no_file(name, kind):
    for goal in ("check", "plan"):
        status, said = make(goal, f"SYSTEM={name}")
        assert status == 2 and f"SYSTEM={name} is no file; give the path of a {kind}" in said


def test_fuzzing_decides_nothing_about_how_long_a_report_is():
    assert "report_system.py" in dry("report") and "--seconds" not in dry("report", "trace")
    assert "--seconds 2 " in dry("report", "SECONDS=2") and "--seconds 600" in dry("fuzz")


def test_the_reports_own_system_has_the_one_core_that_it_uses():
    assert "--cores 1 " in dry("report") and "--cores 2 " in dry("report", "CORES=2") and "--cores 1 " not in dry("report", "CORES=2")
    assert "--cores" not in dry("report", "SYSTEM=boards/qemu-arm64/default.dts")
    for board in ("qemu-arm64", "qemu-x86"):
        text = (machine.ROOT / "boards" / board / "report.dts").read_text(encoding="utf-8")
        assert "core = <0>;" in text and text.count("core = <") == text.count("core = <0>;")


@pytest.mark.parametrize("script", ["trace_system.py", "report_system.py"])
@pytest.mark.parametrize("options, said", [(["--seconds", "abc"], "SECONDS=1"), (["--seconds", "-1"], "SECONDS=1"), (["--seconds", "0"], "SECONDS=1"),
                                           (["--seconds", "nan"], "SECONDS=1"), (["--cores", "x"], "say 1 or more"), (["--memory", "0"], "say 1 or more")])
def test_numbers_that_are_none(tmp_path, script, options, said):
    done = subprocess.run([sys.executable, f"scripts/{script}", "--hypervisor", "x", "--out", str(tmp_path / "x"), *options, "x.dts"],
                          cwd=machine.ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and said in done.stderr and options[1] in done.stderr and not list(tmp_path.iterdir())

# SPDX-License-Identifier: Apache-2.0
"""System tests alone run what the source says now, or nothing; and no stage leaves what another one has built out of date."""
import argparse
import importlib.util
import pathlib
import types

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location("takt_test", ROOT / "scripts/test.py")  # "test" is a package of Python's
runner = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(runner)


@pytest.mark.parametrize("chosen, builds, makes, tests", [
    (["system"], True, ["BOARD=a", "BOARD=b"], True),
    (["system"], False, ["BOARD=a", "BOARD=b"], False),
    (["build", "system"], True, [], True),
])
def test_system_tests_build_first(monkeypatch, tmp_path, chosen, builds, makes, tests):
    commands = []

    def run(command, **_options):
        commands.append(command)
        return types.SimpleNamespace(returncode=0 if builds else 2, stdout="")

    monkeypatch.setattr(runner.subprocess, "run", run)
    tally = runner.Tally()
    args = argparse.Namespace(build=tmp_path, build_as_given=tmp_path, boards=["a", "b"], chosen=chosen, k=None)
    runner.stage_system(tally, args)
    made = [command for command in commands if command[0] == "make"]
    assert [name for command in made for name in command if name.startswith("BOARD=")] == makes
    assert all("hypervisor" in command for command in made)
    assert any("pytest" in command for command in commands) == tests
    assert builds or tally.failed == 2


def test_lint_names_the_folder_as_the_other_stages_do(monkeypatch, tmp_path):
    """Its name is in the flags that make remembers: by another one all is built anew, in the middle of the tests that follow."""
    commands = []

    def run(command, **_options):
        commands.append(command)
        return types.SimpleNamespace(returncode=0, stdout="ok: it is clean\n", stderr="")

    monkeypatch.setattr(runner.subprocess, "run", run)
    tally = runner.Tally()
    runner.stage_lint(tally, argparse.Namespace(build=tmp_path, build_as_given=pathlib.Path("build")))
    assert commands == [["scripts/lint.sh", "--build", "build"]] and tally.passed == 1

# SPDX-License-Identifier: Apache-2.0
"""What scripts/bochs.py asks a Bochs for, told by programs that only say what theirs would."""
import subprocess
import sys

import bochs
import pytest

OLD = "  -q               quick start\n  -rc filename     execute debugger commands stored in file\n"
NEW = OLD + "  -debugger        start Bochs internal debugger on startup\n"
SWITCHES_OFF = "Shutdown port: shutdown requested"


@pytest.fixture(name="program")
def fixture_program(tmp_path):
    """A program that answers --help with these words, and says its other arguments and then the end of the machine."""
    def program(helps, says=SWITCHES_OFF):
        file = tmp_path / "bochs"
        file.write_text(f'#!/bin/sh\nif [ "$1" = --help ]; then\ncat <<END\n{helps}END\nexit\nfi\necho "$@"\necho {says}\n')
        file.chmod(0o755)
        return str(file)
    return program


def run(program, tmp_path):
    return subprocess.run([sys.executable, bochs.__file__, "--bochs", program, "--cpu", "any", "--cores", "2", "--memory", "32",
                           "--cdrom", str(tmp_path / "none.iso")], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60, check=False)


def test_the_debugger_runs_the_processors(program):
    assert bochs.debugger(program(NEW)) == ["-debugger"]
    assert bochs.debugger(program(OLD)) == []


def test_a_bochs_without_a_debugger_is_refused(program, tmp_path):
    result = run(program("  -q               quick start\n"), tmp_path)
    assert result.returncode == 1 and "built without its debugger" in result.stderr and "package bochs" in result.stderr


@pytest.mark.parametrize("helps, first", [(NEW, "-debugger -q -f "), (OLD, "-q -f ")])
def test_what_it_is_started_with(program, tmp_path, helps, first):
    result = run(program(helps, says="nothing of the kind"), tmp_path)
    assert result.returncode == 1 and f"\n{first}" in result.stderr, result.stderr
    assert run(program(helps), tmp_path).returncode == 0


def test_a_bochs_that_is_not_there(tmp_path):
    result = run(str(tmp_path / "none"), tmp_path)
    assert result.returncode == 2 and "none is not installed (package bochs)" in result.stderr

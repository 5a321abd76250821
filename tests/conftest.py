# SPDX-License-Identifier: Apache-2.0
"""Lets the tests import what scripts/ holds, and the harness beside the system tests."""
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
sys.path.insert(0, str(ROOT / "tests/system"))
sys.dont_write_bytecode = True


def pytest_configure(config):
    # xdist's workers have a second thread; the child of pexpect's fork does nothing but exec.
    config.addinivalue_line("filterwarnings", "ignore:.*forkpty:DeprecationWarning")

# SPDX-License-Identifier: Apache-2.0
"""Lets the tests import what scripts/ holds, and the harness beside the system tests."""
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
sys.path.insert(0, str(ROOT / "tests/system"))
sys.dont_write_bytecode = True

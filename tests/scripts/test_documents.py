# SPDX-License-Identifier: Apache-2.0
"""The documents name only what is there."""
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("boards/*/*.md")])
SHORT_NAMES = {"unit": "tests/unit/test_{}.c", "proof": "tests/proof/test_{}.c", "fuzz": "tests/fuzz/fuzz_{}.c", "system": "tests/system/test_{}.py",
               "scripts": "tests/scripts/test_{}.py"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_every_supported_feature_has_tests():
    rows = re.findall(r"^\| (?!feature|---)(.+?) \| .* \| (.*) \|$", (ROOT / "SUPPORT.md").read_text(encoding="utf-8"),
                      re.MULTILINE)
    assert rows
    for feature, tests in rows:
        names = re.findall(r"`(\w+)/(\w+)`", tests)
        assert names, feature
        for kind, name in names:
            assert (ROOT / SHORT_NAMES[kind].format(name)).exists(), (feature, kind, name)


def test_commands_in_the_readme_are_goals():
    goals = set(re.findall(r"\bmake ([a-z]+)\b", (ROOT / "README.md").read_text(encoding="utf-8"))) - {"help"}
    helped = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    assert goals and all(re.search(rf"\bmake (\w+ \| )?{goal}\b", helped) for goal in goals), goals


def test_porting_names_all_of_arch_h():
    supplied = set(re.findall(r"\b(arch_\w+)\(", (ROOT / "kernel/arch.h").read_text(encoding="utf-8")))
    named = set(re.findall(r"`(arch_\w+)`", (ROOT / "docs/porting.md").read_text(encoding="utf-8")))
    assert supplied - named == set()

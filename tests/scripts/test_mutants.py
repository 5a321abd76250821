# SPDX-License-Identifier: Apache-2.0
"""What counts as a mutant, and as one that may survive."""
import argparse
import itertools
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import mutants  # noqa: E402

SOURCE = """#include "a.h"
/* a < b */
int f(int a) {
    if (a < 7) { return a; }
    forget(a, b);
    return a + 1;
}
"""


@pytest.fixture(name="tree")
def one_file(monkeypatch, tmp_path):
    for name in ("sched/f.c", "kernel/g.c"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(SOURCE, encoding="utf-8")
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    monkeypatch.setattr(mutants, "TESTS", {"sched/f.c": ("f",)})
    monkeypatch.setattr(mutants, "SURVIVORS", tmp_path / "survivors.txt")
    return tmp_path


def all_of(name="sched/f.c"):
    return list(mutants.mutants_of(name, itertools.count(1)))


def run(monkeypatch, capsys, survivors, listed, *options):
    """The exit status when the tests do not notice what `survivors` holds, and what is printed."""
    mutants.SURVIVORS.write_text(listed, encoding="utf-8")
    monkeypatch.setattr(mutants.Bench, "prepare", lambda _self, _names: None)
    monkeypatch.setattr(mutants.Bench, "judge", lambda _self, mutant: "survived" if mutant.after in survivors else "killed by f")
    monkeypatch.setattr(sys, "argv", ["mutants.py", "--build", "build", "--cflags", "", "--least", "50", *options])
    monkeypatch.chdir(mutants.ROOT)
    status = mutants.main()
    return status, capsys.readouterr().out


def entry(mutant):
    return f"{mutant.file}: {mutant.kind}\n    {mutant.before}\n    {mutant.after}\n"


def test_mistakes_are_made_in_code_only(tree):
    assert tree.exists()
    found = {(mutant.line, mutant.kind) for mutant in all_of()}
    assert found == {(4, "< becomes <="), (4, "off by one"), (5, "arguments swapped"), (5, "statement dropped"),
                     (6, "+ becomes -"), (6, "off by one")}


def test_a_head_may_stand_on_several_lines(tree):
    (tree / "sched/f.c").write_text("int f(int a,\n      int b) {\n    return a < b;\n}\n\nint g(int a,\n      int b);\n"
                                    "static int h[] = {\n    1,\n};\n", encoding="utf-8")
    assert [(mutant.line, mutant.kind) for mutant in all_of()] == [(3, "< becomes <=")]


def test_a_function_may_stand_on_one_line(tree):
    (tree / "sched/f.h").write_text("struct s { int a[7]; };\nstatic inline int f(int a) { return a + 1; }\n"
                                    "extern int g(int a, int b);\n", encoding="utf-8")
    assert {(mutant.line, mutant.kind) for mutant in all_of("sched/f.h")} == {(2, "+ becomes -"), (2, "off by one")}


def test_all_killed_is_well(tree, monkeypatch, capsys):
    status, told = run(monkeypatch, capsys, (), "")
    assert tree.exists() and status == 0 and "6 of 6 killed" in told and "kernel/g.c" not in told


def test_an_unlisted_survivor_fails(tree, monkeypatch, capsys):
    status, told = run(monkeypatch, capsys, ("forget(b, a);",), "")
    assert tree.exists() and status == 1
    assert "survived: sched/f.c:5: arguments swapped\n    forget(a, b);\n    forget(b, a);\n" in told


def test_a_listed_survivor_may_and_is_not_sampled(tree, monkeypatch, capsys):
    listed = "# a list\nbecause the order is all the same\n" + entry(all_of()[2])
    (tree / "sched/f.c").write_text("\n\n" + SOURCE, encoding="utf-8")  # lines may move
    status, told = run(monkeypatch, capsys, ("forget(b, a);",), listed)
    assert status == 0 and "survived:" not in told and "5 of 6 killed" in told
    status, told = run(monkeypatch, capsys, ("forget(b, a);",), listed, "--count", "5")
    assert status == 0 and "5 of 5 killed" in told


def test_a_listed_one_that_is_killed_is_told(tree, monkeypatch, capsys):
    status, told = run(monkeypatch, capsys, (), "because of nothing\n" + entry(all_of()[2]))
    assert tree.exists() and status == 0 and "listed as a survivor, but killed by f: sched/f.c:5" in told


def test_a_list_of_what_is_not_there_fails(tree, monkeypatch, capsys):
    listed = "because of old times\n" + entry(all_of()[2]._replace(before="gone(a, b);"))
    status, told = run(monkeypatch, capsys, (), listed)
    assert tree.exists() and status == 1 and "lists what there is not: sched/f.c: arguments swapped\n    gone(a, b);" in told


@pytest.mark.parametrize("listed", ["sched/f.c: arguments swapped\n", "because x\nnonsense\n", "because x\n    sched/f.c: y\n"])
def test_an_entry_without_reason_or_form_is_refused(listed):
    with pytest.raises(SystemExit, match="not an entry"):
        mutants.read_survivors(listed)


def test_a_file_without_a_row_is_named():
    with pytest.raises(SystemExit, match="sched/new.c"):
        mutants.tests_of("sched/new.c")


def test_no_file_of_the_rooms_is_forgotten(tree, monkeypatch, capsys):
    (tree / "sched/new.h").write_text("struct s {\n    int a[7];\n};\n", encoding="utf-8")
    assert run(monkeypatch, capsys, (), "")[0] == 0
    (tree / "sched/new.h").write_text("int f(void) { return 1; }\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="no row in TESTS of scripts/mutants.py: sched/new.h;"):
        run(monkeypatch, capsys, (), "", "sched/f.c")


@pytest.mark.parametrize("name", ["sched/f.c", "sched/f.h"])
def test_what_includes_a_header_is_compiled_with_it(tree, monkeypatch, name):
    """A mutant that only the test's own code holds; nobody else is compiled twice."""
    monkeypatch.setattr(mutants, "TESTS", {name: ("f", "h")})
    (tree / name).write_text("int f(int a) { return a + 1; }\n", encoding="utf-8")
    for test in "fh":
        path = tree / f"tests/unit/test_{test}.c"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")
    compiled = []

    def compile_it(_self, source, out, *include):
        compiled.append(str(source))
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text("mutant" if include and "test_h" in str(source) else "", encoding="utf-8")
        return True

    monkeypatch.setattr(mutants.Bench, "compile", compile_it)
    monkeypatch.setattr(mutants.Bench, "link", lambda _self, folder, *_rest: folder)
    monkeypatch.setattr(mutants.Bench, "passes", lambda *_: True)
    arguments = argparse.Namespace(build=tree / "build", cflags="", cc="cc")
    verdict = mutants.Bench(arguments).judge(all_of(name)[0])
    assert verdict == ("equivalent" if name == "sched/f.c" else "survived")
    assert ("tests/unit/test_h.c" in compiled) == (name == "sched/f.h")


def test_the_list_names_mutants_that_there_are():
    listed = mutants.read_survivors(mutants.SURVIVORS.read_text(encoding="utf-8"))
    there = {mutants.identity(mutant) for name in mutants.TESTS for mutant in all_of(name)}
    assert listed and set(listed) <= there


def test_every_row_names_tests_that_there_are():
    for tests in (mutants.TESTS | mutants.MORE_TESTS).values():
        assert all((ROOT / f"{mutants.test_source(test)}.c").exists() for test in tests)

# SPDX-License-Identifier: Apache-2.0
"""The benchmark's verdicts on made-up consoles."""
import argparse

import bench
import code_lines
import machine
import pytest
import readme_numbers

CONSOLE = ("[takt] core vm                      vcpu utilisation budget-us period-us deadline-us blackout-us\n"
           "[takt]    0 rtprobe                    0       20.0%       200      1000        1000        1600\n"
           "[takt]    0 load                       0  best effort, weight 100\n"
           "[takt]    0 all, with overhead                 20.4%\n"
           "[rtprobe] BENCH null_hypercall ns 90 91 95 110 2000\n[load] noise\n[load] BENCH other count 1 1 1 1 1\n"
           "[rtprobe] BENCH periodic_misses count 0 0 0 1 500\n[rtprobe] BENCH-DONE\n")
PLAN = {"row": [
    {"key": "a", "name": "null_hypercall", "figure": "hypercall", "bounds": {"max": 120}, "peer": "-", "exact": True},
    {"key": "p", "name": "periodic_misses", "figure": "misses", "bounds": {"max": 0}, "peer": "-"},
    {"key": "b", "name": "gicd_read", "figure": "read", "bounds": {"max": 200}, "peer": "-"},
]}
PLANNED = {row["name"] for row in PLAN["row"]}
COMPILER = "cc 1.0"


def rows_of(console, planned=frozenset(PLANNED)):
    return bench.named(bench.parse_rows(console), bench.parse_promises(console), "load", planned)


@pytest.fixture(name="board")
def made_up_board(tmp_path, monkeypatch):
    """A checkout with one board whose data has one constant; returns its folder."""
    monkeypatch.setattr(machine, "ROOT", tmp_path)
    folder = tmp_path / "boards" / "made-up"
    folder.mkdir(parents=True)
    (folder / "board.dts").write_text("/ {\n    // overhead-ns = <1>;\n    overhead-ns = <3000>;\n};\n")
    return folder


def test_a_name_that_matches_no_system_is_refused(tmp_path):
    args = argparse.Namespace(build=tmp_path, board="made-up", k="nosuch")
    with pytest.raises(bench.BenchError, match="no system .* matches 'nosuch'"):
        bench.measure({"system": [{"name": "load", "cores": 1, "seconds": 1}], "row": []}, args)


def test_rows_are_read_from_the_console():
    rows = bench.parse_rows(CONSOLE)
    assert rows["null_hypercall"] == {"name": "null_hypercall", "unit": "ns", "vm": "rtprobe", "min": 90, "mean": 91,
                                      "p99": 95, "max": 110, "samples": 2000}
    assert len(rows) == 3


def test_rows_that_every_system_prints_do_not_replace_each_other():
    first, second = ({**rows_of(CONSOLE), **bench.named(bench.parse_rows(CONSOLE), {}, name, PLANNED)}
                     for name in ("load", "storm"))
    assert "load.other" in first and "storm.other" in second
    assert second["storm.other"]["name"] == "storm.other"


def test_a_missed_bound_and_a_missing_row_are_complaints():
    ordered, complaints = bench.judge(PLAN, bench.parse_rows(CONSOLE), wanted_all=True)
    assert [row["name"] for row in ordered] == ["null_hypercall", "periodic_misses", "other"]
    assert len(complaints) == 2
    assert "periodic_misses" in complaints[0] and "gicd_read" in complaints[1]


def test_a_row_without_bound_is_shown():
    ordered, complaints = bench.judge({"row": []}, bench.parse_rows(CONSOLE), wanted_all=True)
    assert len(ordered) == 3 and not complaints


def test_the_reports_promise_is_the_bound_of_a_computed_row():
    plan = {"row": [{"key": "e", "name": "null_hypercall", "figure": "sleep", "computed": "blackout-us", "peer": ""}]}
    [row, *_], complaints = bench.judge(plan, rows_of(CONSOLE), wanted_all=True)
    assert row["bound"] == {"max": 1600 * 1000} and not complaints
    late = CONSOLE.replace("90 91 95 110 2000", "90 91 95 1600001 2000")
    [row, *_], complaints = bench.judge(plan, rows_of(late), wanted_all=True)
    assert len(complaints) == 1 and "1,600,000, computed blackout-us" in complaints[0]
    assert "max <= 1,600,000 (computed blackout-us)" in bench.table([row])


@pytest.mark.parametrize("bound, most", ((5000, 2502), (2000, 2000)))
def test_of_a_bound_and_a_promise_the_smaller_counts(bound, most):
    plan = {"row": [{"key": "e", "name": "null_hypercall", "figure": "sleep", "bounds": {"mean": 95, "max": bound},
                     "computed": "latency-us", "peer": ""}]}
    console = CONSOLE.replace("blackout-us\n", "blackout-us latency-us\n").replace("1600\n", "1600 2.502\n")
    [row, *_], complaints = bench.judge(plan, rows_of(console), wanted_all=True)
    assert row["bound"] == {"mean": 95, "max": most} and not complaints
    assert (row["origin"] == "") == (bound < 2502)
    undecided = console.replace("2.502", "undecided")
    with pytest.raises(bench.BenchError, match="null_hypercall: .* no latency-us"):
        bench.judge(plan, rows_of(undecided), wanted_all=True)


def test_a_computed_row_of_a_vcpu_without_a_promise_is_refused():
    plan = {"row": [{"key": "e", "name": "other", "figure": "sleep", "computed": "blackout-us", "peer": ""}]}
    with pytest.raises(bench.BenchError, match="other: .* no blackout-us"):
        bench.judge(plan, rows_of(CONSOLE, {"other"}), wanted_all=True)


@pytest.mark.parametrize("measured, complaints", ((2999, 0), (3000, 0), (3001, 1)))
def test_a_constant_of_the_board_must_not_be_smaller_than_measured(board, measured, complaints):
    plan = {"row": [{"key": "cost", "name": "null_hypercall", "figure": "cost", "constants": ["overhead-ns"], "peer": ""}]}
    console = CONSOLE.replace("90 91 95 110 2000", f"90 91 95 {measured} 2000")
    ordered, found = bench.judge(plan, rows_of(console), wanted_all=True, board=board.name)
    assert len(found) == complaints
    assert "max <= 3,000 (the board's overhead-ns)" in bench.table(ordered)
    with pytest.raises(bench.BenchError, match="irq-cost-ns"):
        bench.board_constant(board.name, "irq-cost-ns")


def test_a_changed_path_length_fails_and_says_what_to_do(board):
    ordered, _ = bench.judge(PLAN, bench.parse_rows(CONSOLE), wanted_all=True)
    remark, complaints = bench.compare_paths(PLAN, ordered, board.name, COMPILER, record=False)
    assert f"'{COMPILER}' is not recorded, so the bounds alone hold" in remark and not complaints
    bench.compare_paths(PLAN, ordered, board.name, COMPILER, record=True)
    remark, complaints = bench.compare_paths(PLAN, ordered, board.name, COMPILER, record=False)
    assert "1 compared" in remark and not complaints
    shorter, _ = bench.judge(PLAN, bench.parse_rows(CONSOLE.replace("90 91 95 110", "90 91 95 109")), wanted_all=True)
    _, complaints = bench.compare_paths(PLAN, shorter, board.name, COMPILER, record=False)
    assert complaints == ["path null_hypercall: 90 to 109 instructions, recorded are 90 to 110; explain the change, then "
                          "record it with 'make bench RECORD=1'"]
    _, complaints = bench.compare_paths(PLAN, shorter, board.name, "cc 2.0", record=False)
    assert not complaints


def test_recording_some_systems_keeps_what_was_recorded_of_the_others(board):
    plan = {"row": [{**row, "exact": True} for row in PLAN["row"]]}
    for name in ("null_hypercall", "periodic_misses"):
        rows = {name: bench.parse_rows(CONSOLE)[name]}
        bench.compare_paths(plan, bench.judge(plan, rows, wanted_all=False)[0], board.name, COMPILER, record=True)
    ordered, _ = bench.judge(plan, bench.parse_rows(CONSOLE), wanted_all=False)
    remark, complaints = bench.compare_paths(plan, ordered, board.name, COMPILER, record=False)
    assert "2 compared" in remark and not complaints


def test_an_exact_path_that_was_never_recorded_is_a_difference(board):
    plan = {"row": [{**row, "exact": True} for row in PLAN["row"]]}
    ordered, _ = bench.judge(plan, bench.parse_rows(CONSOLE), wanted_all=False)
    bench.compare_paths(plan, ordered[:1], board.name, COMPILER, record=True)
    _, complaints = bench.compare_paths(plan, ordered, board.name, COMPILER, record=False)
    assert len(complaints) == 1 and "periodic_misses: 0 to 1 instructions, recorded are none" in complaints[0]


def test_the_readmes_table_marks_what_is_missed():
    ordered, _ = bench.judge(PLAN, bench.parse_rows(CONSOLE), wanted_all=False)
    rows = {row["name"]: row for row in ordered}
    assert readme_numbers.missing(PLAN, rows) == ["gicd_read"]
    lines = readme_numbers.table({"row": [row for row in PLAN["row"] if row["name"] in rows]}, rows).splitlines()
    assert lines[2] == "| a | hypercall | 91 | 95 | 110 | max <= 120 | - |"
    assert lines[3] == "| p | misses | 0 | 0 | 1 | max <= 0: missed | - |"


def test_a_table_goes_between_the_marks_of_its_board():
    text = ("a\n<!-- numbers of a: begin, x -->\nold\n<!-- numbers of a: end -->\n"
            "<!-- numbers of b: begin -->\n<!-- numbers of b: end -->\n")
    assert readme_numbers.put(text, "a", "new\n") == text.replace("old", "new")
    assert readme_numbers.put(text, "b", "new\n") == text.replace("b: begin -->\n", "b: begin -->\nnew\n")
    assert readme_numbers.put(text, "c", "new\n") is None and readme_numbers.put(text * 2, "a", "new\n") is None


def test_code_lines_leave_out_comments_and_blanks():
    text = '// a\n\nint a; /* b\n c */ int b;\n/* d */\nconst char *s = "/* no comment */"; // e\n#define X 1\n'
    assert code_lines.in_text(text) == 4

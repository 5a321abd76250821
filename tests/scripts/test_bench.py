# SPDX-License-Identifier: Apache-2.0
"""The benchmark's verdicts on made-up consoles."""
import bench
import code_lines

CONSOLE = ("[rtprobe] BENCH null_hypercall ns 90 91 95 110 2000\n[load] noise\n"
           "[rtprobe] BENCH periodic_misses count 0 0 0 1 500\n[rtprobe] BENCH-DONE\n")
PLAN = {"row": [
    {"key": "a", "name": "null_hypercall", "figure": "hypercall", "bounds": {"max": 120}, "peer": "-", "exact": True},
    {"key": "p", "name": "periodic_misses", "figure": "misses", "bounds": {"max": 0}, "peer": "-"},
    {"key": "b", "name": "gicd_read", "figure": "read", "bounds": {"max": 200}, "peer": "-"},
]}


def test_rows_are_read_from_the_console():
    rows = bench.parse_rows(CONSOLE)
    assert rows["null_hypercall"] == {"name": "null_hypercall", "unit": "ns", "min": 90, "mean": 91, "p99": 95, "max": 110,
                                      "samples": 2000}
    assert len(rows) == 2


def test_a_missed_bound_and_a_missing_row_are_complaints():
    ordered, complaints = bench.judge(PLAN, bench.parse_rows(CONSOLE), wanted_all=True)
    assert [row["name"] for row in ordered] == ["null_hypercall", "periodic_misses"]
    assert len(complaints) == 2
    assert "periodic_misses" in complaints[0] and "gicd_read" in complaints[1]


def test_a_row_without_bound_is_shown():
    ordered, complaints = bench.judge({"row": []}, bench.parse_rows(CONSOLE), wanted_all=True)
    assert len(ordered) == 2 and not complaints


def test_code_lines_leave_out_comments_and_blanks():
    text = '// a\n\nint a; /* b\n c */ int b;\n/* d */\nconst char *s = "/* no comment */"; // e\n#define X 1\n'
    assert code_lines.in_text(text) == 4

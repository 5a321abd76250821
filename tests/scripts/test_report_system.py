# SPDX-License-Identifier: Apache-2.0
"""The page about one run, on a made-up one."""
import re
import xml.etree.ElementTree

import chart
import pytest
import report_system
import takt_trace
from test_trace import RT, US, good, record, text

REPORT = """[takt] core vm                      vcpu utilisation budget-us period-us deadline-us blackout-us
[takt]    0 rt                         0       20.0%       200      1000         500        1100
[takt]    0 load                       0       50.0%       500      1000        1000        1000
"""
ANSWERS = {"misses": "vm                      vcpu activations      own platform\nrt 0 17 0 2\nload 0 9 0 0\nmisses: 0 own, 2 platform"}


def slept(us, asked, got):
    return [record(us, "mark", RT, 0, asked), record(us + 20, "mark", RT, 0, got | report_system.SLEPT)]


def page_of(records, answers=None, report=REPORT):
    good_, written = report_system.document(takt_trace.parse(text(records)), report, answers or ANSWERS, "made <up>")
    return good_, written, " ".join(xml.etree.ElementTree.fromstring(written.replace("<!DOCTYPE html>", "")).itertext())


def test_what_was_promised_stands_beside_what_was_seen():
    records = [*good(), *slept(4100, 5_000_000, 5_001_500), *slept(4200, 700_000, 701_250)]
    kept, written, words = page_of(records)
    assert kept and "Everything that was promised was kept." in words
    words = re.sub(r"\s+", " ", words)
    assert "rt/0 1100 0.00 0.70 17 0 2" in words and "load/0 1000 500.00 - 9 0 0" in words
    assert "3 samples: least 0.70, mean 0.70" in words
    assert "2 samples: least 1.25, mean 1.38" in words and "5.0000 5.0015 1.50" in words
    assert "made <up>" in words and written.count("<svg") >= 4
    # Nothing from outside: no address but the names of the two XML languages.
    assert set(re.findall(r"https?://[^\"' ]+", written)) == {"http://www.w3.org/1999/xhtml", "http://www.w3.org/2000/svg"}
    assert not re.search(r"<script|<link|<img|src=", written)


@pytest.mark.parametrize("records, answers", [
    (good(), {"misses": ANSWERS["misses"].replace("rt 0 17 0 2", "rt 0 17 1 2")}),
    ([*good(), record(5000, "miss", RT)], None)])
def test_a_broken_promise_is_the_first_that_it_says(records, answers):
    kept, _, words = page_of(records, answers)
    assert not kept and "Something that was promised was not kept." in words


def test_without_reservations_marks_and_timers_it_says_so():
    _, _, words = page_of([record(0, "on"), record(10, "off")], report="")
    for said in ("No VCPU of this system has a reservation", "None was, while the trace was on", "No guest marked its sleeps"):
        assert said in words


def test_columns_of_a_histogram_hold_every_value():
    for values in ([5], [1, 2, 3, 100], [0.5, 0.25, 0.125], [-3, 3], [10**9, 10**9 + 1]):
        columns = chart.columns_of(values)
        assert sum(count for _, _, count in columns) == len(values) and len(columns) <= chart.COLUMNS + 1
        for low, high, count in columns:
            assert count == sum(low <= value < high for value in values)


def test_figures_of_nothing_are_refused():
    for draw in (lambda: chart.scatter([], "x", "y", "empty"), lambda: chart.histogram([], "us", "empty")):
        with pytest.raises(ValueError, match="empty"):
            draw()

# SPDX-License-Identifier: Apache-2.0
"""The page about the experiments, of made-up results; and experiment 1's verdicts."""
import json
import re
import subprocess
import sys
import xml.etree.ElementTree

import chart
import experiment_placement
import experiments_page
import pytest
import report_system
from test_sim import PLAIN, ROOT


def leg(guest, hypervisor, late, **more):
    pairs = [[asked, asked + late] for asked in (1_000_000, 20_000_000)]
    return {"leg": f"{guest} on {hypervisor}", "guest": guest, "hypervisor": hypervisor, "version": "4.17", "options": "sched=credit", "samples": 2,
            "mean": late, "p50": late, "p99": late, "max": late, "counts": {"player.periodic_misses": 3}, "bounds": {"max": 1300}, "over": [],
            "requested-actual-ns": pairs, **more}


def results(*legs, complaints=()):
    return {"experiment": "sleep", "title": "sleep <accuracy>", "guests-are": "guest", "complaints": list(complaints), "hypervisor-sha256": "0", "legs": list(legs)}


def write(folder, told):
    (folder / f"{told['experiment']}.json").write_text(json.dumps(told), encoding="utf-8")


def words_of(written):
    return re.sub(r"\s+", " ", " ".join(xml.etree.ElementTree.fromstring(str(written).replace("<!DOCTYPE html>", "")).itertext()))


def run(folder, *options):
    return subprocess.run([sys.executable, "scripts/experiments_page.py", "--out", str(folder), *map(str, options)], cwd=ROOT, capture_output=True, text=True,
                          timeout=60, check=False)


def test_the_page_has_every_leg_its_bound_and_every_sleep(tmp_path):
    write(tmp_path, results(leg("rtprobe", "takt", 936), leg("rtprobe", "xen-credit2", 9_030_615, over=["max 9,030,615 > 1,300"]),
                            {"guest": "linux", "hypervisor": "takt", "leg": "linux on takt", "skipped": "no package"}))
    done = run(tmp_path)
    assert done.returncode == 0 and "experiments.html" in done.stdout, done.stderr
    written = (tmp_path / "experiments.html").read_text(encoding="utf-8")
    words = words_of(written)
    assert "sleep <accuracy>" in words and "2 of 3 legs measured." in words and "Within each bound; measured: 1 of 2 legs on Takt." in words
    assert "rtprobe Takt 2 936 936 936 936 player.periodic_misses 3 within: max 1,300" in words
    assert "over: max 9,030,615 > 1,300" in words and "skipped: no package" in words and "Takt's bound, 1.3 us" in words
    assert "1000000 1000936 20000000 20000936" in words and "1000000 10030615" in words
    assert "Not run: 'make experiment-placement', 'make experiment-attack'." in words
    assert set(re.findall(r"https?://[^\"' ]+", written)) == {"http://www.w3.org/1999/xhtml", "http://www.w3.org/2000/svg"}
    assert not re.search(r"<script|<link|<img|src=", written)


def test_takt_over_a_bound_is_what_the_page_says_first(tmp_path):
    write(tmp_path, results(leg("rtprobe", "takt", 1301), complaints=["rtprobe on takt: max 1,301 > 1,300"]))
    assert run(tmp_path).returncode == 1
    words = words_of((tmp_path / "experiments.html").read_text(encoding="utf-8"))
    assert "Not within all bounds; measured: 1 of 1 legs on Takt." in words and "max 1,301 > 1,300" in words


def test_a_page_without_takt_says_no_more_than_that(tmp_path):
    write(tmp_path, results(leg("rtprobe", "xen-credit", 5), {"guest": "linux", "hypervisor": "takt", "leg": "linux on takt", "skipped": "x"}))
    assert run(tmp_path).returncode == 1
    assert "Nothing of Takt was measured." in words_of((tmp_path / "experiments.html").read_text(encoding="utf-8"))


def test_results_of_another_hypervisor_are_told(tmp_path):
    image = tmp_path / "takt.Image"
    image.write_bytes(b"")
    told = results(leg("rtprobe", "takt", 936))
    write(tmp_path, told)
    assert "another hypervisor" in words_of(experiments_page.page.document("x", experiments_page.sections(tmp_path, image)[2]))
    write(tmp_path, told | {"hypervisor-sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"})
    assert "another hypervisor" not in words_of(experiments_page.page.document("x", experiments_page.sections(tmp_path, image)[2]))


@pytest.mark.parametrize("text", ["", "[]", '{"experiment": "attack"}', '{"seed": 1}'])
def test_unreadable_results_are_named_with_the_command_that_makes_them(tmp_path, text):
    (tmp_path / "sleep.json").write_text(text)
    done = run(tmp_path)
    assert done.returncode == 2 and "sleep.json" in done.stderr and "make experiment-sleep" in done.stderr and "Traceback" not in done.stderr
    section, = report_system.experiments_of(tmp_path, None)
    assert "make experiment-sleep" in words_of(section)


def test_without_results_it_says_what_makes_them(tmp_path):
    done = run(tmp_path)
    assert done.returncode == 2 and "make experiments" in done.stderr
    section, = report_system.experiments_of(tmp_path, None)
    assert "'make experiment-attack'" in words_of(section)


def test_a_documents_tables_are_written_between_their_marks(tmp_path):
    write(tmp_path, results(leg("rtprobe", "takt", 936, counts={}), leg("rtprobe", "xen-credit2-tuned", 5757, counts={})))
    runaway = {"player.periodic_misses": 1, "worker.periodic_misses": 2}
    write(tmp_path, results(leg("IPIs", "takt", 953, counts={"player.periodic_misses": 0, "player.periodic_release": 1104}),
                            leg("runaway", "xen-credit", 7, counts=runaway)) | {"experiment": "attack", "guests-are": "neighbour"})
    document = tmp_path / "x.md"
    document.write_text("a\n<!-- figures of sleep: begin, old -->\nold\n<!-- figures of sleep: end -->\nb\n"
                        "<!-- figures of attack: begin -->\n<!-- figures of attack: end -->\nc\n")
    assert run(tmp_path, "--document", document).returncode == 0
    text = document.read_text()
    assert "old -->\n| guest | hypervisor | samples |" in text and "\nold\n" not in text and text.endswith("end -->\nc\n")
    assert "| rtprobe | Takt | 2 | 936 | 936 | 936 | 936 |\n| rtprobe | Xen, credit2, tuned | 2 | 5,757 |" in text
    assert "| IPIs | Takt | 953 | 953 | 953 | 1,104 | 0 |\n| runaway | Xen, credit | 7 | 7 | 7 | - | player 1, worker 2 |\n<!--" in text
    document.write_text("nothing")
    done = run(tmp_path, "--document", document)
    assert done.returncode == 2 and "has no lines '<!-- figures of sleep: begin -->'" in done.stderr and document.read_text() == "nothing"


def test_the_report_ends_with_the_experiments(tmp_path):
    write(tmp_path, results(leg("rtprobe", "takt", 936)))
    first, second = report_system.experiments_of(tmp_path, None)
    assert "Within each bound; measured: 1 of 1 legs on Takt." in words_of(first) and "rtprobe Takt 2 936" in words_of(second)


# ---- the figure ------------------------------------------------------------------------------------------------------
def heights(figure):
    return [[float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", path)] for path in re.findall(r'class="dots[^"]*" d="([^"]*)"', figure)]


def test_powers_of_ten_are_equally_far_apart():
    figure = chart.plot([("a", [(1, 1), (2, 10), (3, 1000)])], "x", "y", "title", tenfold=True, bounds=[("most", 100)])
    one, ten, thousand = heights(figure)[0]
    bound = float(re.search(r'class="bound" d="M\d+ ([\d.]+)H', figure)[1])
    assert one - ten == pytest.approx(ten - bound, abs=0.2) == pytest.approx(bound - thousand, abs=0.2)
    xml.etree.ElementTree.fromstring(figure)


def test_each_series_has_its_points_and_its_name():
    figure = chart.plot([("first <one>", [(0, 1), (5, 2)]), ("empty", []), ("third", [(1, 3)])], "x", "y", "title")
    assert [len(own) for own in heights(figure)] == [2, 1]
    assert "first <one>" in words_of(figure) and "empty" in words_of(figure)


def test_what_cannot_be_drawn_is_refused():
    for series, tenfold in (([("a", [])], False), ([("a", [(1, 0)])], True)):
        with pytest.raises(ValueError, match="^title: "):
            chart.plot(series, "x", "y", "title", tenfold=tenfold)


# ---- experiment 1 ----------------------------------------------------------------------------------------------------
def place(folder, *options):
    return subprocess.run([sys.executable, "scripts/experiment_placement.py", "--simulator", str(PLAIN), "--board", "boards/qemu-arm64/board.dts",
                           "--out", str(folder), "--sets", "100", *options], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(name="placed", scope="module")
def placed_fixture(tmp_path_factory):
    folder = tmp_path_factory.mktemp("placed")
    return folder, place(folder, "--campaign", "50")


def test_placement_is_played_judged_and_shown(placed):
    folder, done = placed
    assert done.returncode == 0 and "50 admitted sets: " in done.stdout and "misses 0, late 0" in done.stdout, done.stdout + done.stderr
    assert run(folder).returncode == 0
    words = words_of((folder / "experiments.html").read_text(encoding="utf-8"))
    assert "90 % + 15 % by count 3!" in words and "90 % + 15 % by utilisation 2" in words and "8 7 6 5 4 3 2 1" in words
    assert "measured overheads of" in words and "no overheads" in words and "sets 50" in words


def told_of(folder):
    return json.loads((folder / "placement.json").read_text(encoding="utf-8"))


def test_too_few_accepted_and_any_fault_are_complaints(placed):
    told = told_of(placed[0])
    assert experiment_placement.judge(told) == []
    points = {point["utilisation"]: point for point in told["curves"][0]["points"]}
    points[0.95]["full chain"] = 0.989
    points[0.7]["full chain"] = 0.0  # is no load of the bound
    told["campaign"] |= {"late": 2, "first_bad": 7}
    told["scenes"][1]["utilisation"][0]["admitted"] = False
    few, refused, late = experiment_placement.judge(told)
    assert "0.95" in few and "experiment 2" in refused and "late 2" in late and "set 7" in late
    assert len(experiment_placement.judge(told | {"vcpus": 48})) == 2


def test_a_wrong_option_is_told_with_those_that_there_are(tmp_path):
    done = place(tmp_path, "--campaign", "0", "--fly", "1")
    assert done.returncode == 2 and "--fly is no option here; there are --sets" in done.stderr and not (tmp_path / "placement.json").exists()


def test_a_campaign_of_another_simulator_is_begun_anew(tmp_path):
    simulator = tmp_path / "takt-sim"
    simulator.write_text('#!/bin/sh\nwhile [ "$1" != --out ]; do shift; done\nif [ -e "$2" ]; then echo 1; else : >"$2"; echo 0; fi\n')
    simulator.chmod(0o755)
    assert [experiment_placement.campaign(simulator, 5, tmp_path) for _ in range(2)] == [0, 1]
    with open(simulator, "a", encoding="ascii") as file:
        file.write("# mended\n")
    assert [experiment_placement.campaign(simulator, 5, tmp_path) for _ in range(2)] == [0, 1]

# SPDX-License-Identifier: Apache-2.0
"""One short leg of each experiment of docs/experiments.md on Takt, with the experiment's own bounds; and that the release's Xen
runs the very same guest."""
import json
import pathlib
import signal
import subprocess
import sys
import time

import libtakt
import pytest

SECONDS = 300


def run(takt, name, leg, samples):
    """Runs the legs of an experiment whose names match; returns the finished process and {leg: result}."""
    command = [sys.executable, "scripts/experiments.py", name, "--build", str(takt.build), "--out", str(takt.folder),
               "--hypervisor", str(takt.hypervisor), "-k", leg, "--samples", str(samples)]
    done = subprocess.run(command, cwd=libtakt.ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
    results = takt.folder / f"{name}.json"
    assert results.exists(), done.stdout + done.stderr
    return done, {result["leg"]: result for result in json.loads(results.read_text(encoding="utf-8"))["legs"]}


def test_a_sleeper_beside_a_load_is_woken_within_the_bounds(takt):
    done, results = run(takt, "sleep", "^rtprobe on takt$", 25)
    assert done.returncode == 0 and " 1 of 16 legs measured, 0 complaints" in done.stdout, done.stdout + done.stderr
    result = results["rtprobe on takt"]
    assert result["samples"] == len(result["requested-actual-ns"]) == 25
    assert 0 < result["mean"] <= result["max"] <= 1300
    assert all(20_000 <= requested < 20_000_000 and actual > requested for requested, actual in result["requested-actual-ns"])


def test_a_runaway_takes_nothing_from_the_others_that_was_promised_to_them(takt):
    done, results = run(takt, "attack", "^(runaway|crash loop) on takt$", 10)
    assert done.returncode == 0 and " 2 of 21 legs measured, 0 complaints" in done.stdout, done.stdout + done.stderr
    runaway = results["runaway on takt"]
    assert runaway["counts"] == {"player.periodic_misses": 0, "worker.periodic_misses": 0}
    # It did run away: a sleeper alone is woken within 2 us.
    assert runaway["max"] > 20_000
    assert results["crash loop on takt"]["max"] <= 2500


def test_xen_runs_the_same_guest(takt):
    done, results = run(takt, "sleep", "^rtprobe on xen-credit2-tuned$", 5)
    result = results["rtprobe on xen-credit2-tuned"]
    if "no package" in result.get("skipped", ""):
        pytest.skip(result["skipped"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert result["samples"] == 5 and result["mean"] > 1000
    assert "sched_ratelimit_us=0" in result["options"]


def children_of(pid):
    """By /proc: a bare machine has no ps."""
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="utf-8", errors="replace").rsplit(")", 1)[1].split()
        except OSError:
            continue  # it has ended
        if int(fields[1]) == pid:
            found.append(stat.parent.name)
    return found


def test_a_run_that_is_stopped_ends_at_once_and_leaves_no_emulator(takt):
    # Who started the tests in the background has it ignored, and so would its children.
    command = ["env", "--default-signal=INT", sys.executable, "scripts/experiments.py", "sleep", "--build", str(takt.build), "--out", str(takt.folder),
               "--hypervisor", str(takt.hypervisor), "--jobs", "1"]
    with subprocess.Popen(command, cwd=libtakt.ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        log, until = takt.folder / "sleep/rtprobe-decoding-on-takt.log", time.monotonic() + SECONDS
        while not (log.exists() and "mode bench-s" in log.read_text(encoding="utf-8", errors="replace")):
            assert running.poll() is None and time.monotonic() < until
            time.sleep(0.2)
        children = children_of(running.pid)
        running.send_signal(signal.SIGINT)
        try:
            _, said = running.communicate(timeout=60)
        finally:
            running.kill()
    assert children and not any(pathlib.Path("/proc", child).exists() for child in children)
    assert running.returncode == 2 and "stopped; what was measured is kept" in said and "Traceback" not in said, said
    assert not list((takt.folder / "sleep").glob("*.json"))

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the fuzz targets and measures the line coverage of the files that they cover.

    fuzz.py [--build DIR] --runs N        each target N times from its seeds (repeatable); what `make test` does
    fuzz.py [--build DIR] --seconds N     each target N seconds, going on from what earlier runs found

tests/fuzz/fuzz_NAME.c says in a comment of its first lines `// covers: sched/a.c kernel/b.c`. Its inputs:
tests/fuzz/seeds/NAME/ (valid inputs), tests/fuzz/crashes/NAME/ (each once broke something), and what
tests/fuzz/seeds.py, if there, writes to DIR/fuzz/seeds/NAME/ (called with DIR/fuzz/seeds as its argument).
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGETS = ROOT / "tests/fuzz"
COVERAGE_BOUND = 90.0  # per cent of lines, of each file under fuzz
INPUT_SECONDS = 10  # one input that takes longer counts as a hang


def targets():
    return sorted(path.stem.removeprefix("fuzz_") for path in TARGETS.glob("fuzz_*.c"))


def covered_files(name):
    with open(TARGETS / f"fuzz_{name}.c", encoding="utf-8") as file:
        head = [next(file, "") for _ in range(10)]
    return [path for line in head if (match := re.match(r"//\s*covers:\s*(.*)", line)) for path in match.group(1).split()]


def generate_seeds(build):
    script = TARGETS / "seeds.py"
    if script.exists():
        subprocess.run([sys.executable, str(script), str(build / "fuzz/seeds")], check=True, cwd=ROOT, timeout=300)


def inputs_of(build, name):
    folders = [TARGETS / "seeds" / name, TARGETS / "crashes" / name, build / "fuzz/seeds" / name]
    return [str(folder) for folder in folders if folder.is_dir()]


def fuzz(build, name, runs=None, seconds=None):
    """Runs one target; returns (executions, complaint or None)."""
    program, work = build / f"fuzz/fuzz_{name}", build / "fuzz/work" / name
    corpus, artifacts = work / "corpus", work / "found"
    if not program.exists():
        return 0, "it did not build"
    if runs:
        shutil.rmtree(corpus, ignore_errors=True)
    corpus.mkdir(parents=True, exist_ok=True)
    artifacts.mkdir(exist_ok=True)
    length = [f"-runs={runs}", "-seed=1"] if runs else [f"-max_total_time={seconds}"]
    command = [str(program), *length, f"-timeout={INPUT_SECONDS}", "-print_final_stats=1",
               "-verbosity=1", f"-artifact_prefix={artifacts}/", str(corpus), *inputs_of(build, name)]
    log = work / "log"
    with open(log, "w", encoding="utf-8") as file:
        limit = 3600 if runs else seconds + 300
        try:
            status = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, timeout=limit, check=False).returncode
        except subprocess.TimeoutExpired:
            return 0, f"it did not end within {limit} s; see {log}"
    text = log.read_text(encoding="utf-8", errors="replace")
    match = re.search(r"stat::number_of_executed_units:\s*(\d+)", text)
    executions = int(match.group(1)) if match else 0
    if status:
        summary = re.search(r"^(SUMMARY: .*|==\d+== ERROR: .*|.*runtime error: .*)$", text, re.MULTILINE)
        return executions, (f"{summary.group(1) if summary else 'status ' + str(status)}; the input is in {artifacts}, "
                            f"put it into tests/fuzz/crashes/{name}/ once it is understood; see {log}")
    if runs and executions < runs:
        return executions, f"only {executions} executions; see {log}"
    return executions, None


def coverage(build, name):
    """[(file, per cent of lines)] after one run of all inputs that fuzzing kept."""
    work, program = build / "fuzz/work" / name, build / f"cov/fuzz_{name}"
    raw, profile = work / "coverage.profraw", work / "coverage.profdata"
    subprocess.run([str(program), "-runs=0", str(work / "corpus"), *inputs_of(build, name)], check=True, timeout=600,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ, LLVM_PROFILE_FILE=str(raw)))
    subprocess.run(["llvm-profdata", "merge", "-sparse", "-o", str(profile), str(raw)], check=True, timeout=120)
    listing = subprocess.run(["llvm-cov", "export", "-summary-only", str(program), f"-instr-profile={profile}"],
                             check=True, capture_output=True, text=True, timeout=120, cwd=ROOT)
    percent = {}
    for row in json.loads(listing.stdout)["data"][0]["files"]:
        path = pathlib.Path(row["filename"])
        known = path.relative_to(ROOT) if path.is_absolute() and path.is_relative_to(ROOT) else path
        percent[str(known)] = row["summary"]["lines"]["percent"]
    return [(path, percent.get(path)) for path in covered_files(name)]


def examine(build, name, runs=None, seconds=None):
    """Fuzzes one target and measures its coverage; returns [(what, complaint or None)]."""
    executions, complaint = fuzz(build, name, runs, seconds)
    results = [(f"fuzz {name}: {executions} executions", complaint)]
    if complaint:
        return results
    files = covered_files(name)
    if not files:
        results.append((f"fuzz {name}: coverage", f"tests/fuzz/fuzz_{name}.c names no file; add a line '// covers: ...'"))
        return results
    try:
        for path, percent in coverage(build, name):
            if percent is None:
                results.append((f"fuzz {name}: coverage of {path}", "this file is not in the program; mend '// covers:'"))
            else:
                low = None if percent >= COVERAGE_BOUND else f"below {COVERAGE_BOUND:.0f} %; add seeds that reach the rest"
                results.append((f"fuzz {name}: {path} {percent:.1f} % of lines covered", low))
    except (subprocess.SubprocessError, OSError) as error:
        results.append((f"fuzz {name}: coverage", str(error)))
    return results


def run_all(build, report, runs=None, seconds=None):
    """Runs every target, two at a time; calls report(what, complaint) for each result."""
    generate_seeds(build)
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for results in pool.map(lambda name: examine(build, name, runs, seconds), targets()):
            for what, complaint in results:
                report(what, complaint)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build", type=pathlib.Path)
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--runs", type=int)
    length.add_argument("--seconds", type=int)
    args = parser.parse_args()
    failed = []

    def report(what, complaint):
        print(f"FAILED: {what}: {complaint}" if complaint else f"ok: {what}", flush=True)
        if complaint:
            failed.append(what)

    run_all(args.build.resolve(), report, args.runs, args.seconds)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

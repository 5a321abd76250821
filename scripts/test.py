#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every test and ends with the line `N passed, N failed, N skipped`. `make test` calls it.

    test.py [--build DIR] [--board BOARD] [--only build,unit,mutants,fuzz,lint,system] [-k EXPRESSION]

Without --board every board's hypervisor is built and tested; what runs on the host is the same for all. A failure never
stops the rest. A test that cannot run for want of something counts as skipped, never as passed.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import time
import xml.etree.ElementTree

import fuzz

ROOT = pathlib.Path(__file__).resolve().parent.parent
STAGES = ("build", "unit", "mutants", "fuzz", "lint", "system")
FUZZ_RUNS = 1_000_000
MUTANTS = 80  # a sample; the same one until sched/ or timer/ change
UNIT_TESTS = ("tests/unit/test_*.c", "tests/unit/*/test_*.c", "tests/proof/test_*.c")
UNIT_SECONDS = 600
# What system tests run.
SYSTEM_GOALS = ("hypervisor", "guests", "host-programs", "efi-loader")
WORKERS = min(os.cpu_count() or 1, 8)
# Variants of the unit tests: plain, and under address and undefined-behaviour sanitizers.
VARIANTS = ("host", "asan")


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []

    def add(self, what, complaint=None, quiet=False):
        if complaint:
            self.failed += 1
            self.failures.append(what)
            print(f"FAILED: {what}: {complaint}", flush=True)
        else:
            self.passed += 1
            if not quiet:
                print(f"ok: {what}", flush=True)

    def summary(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def indented(text, lines):
    return "".join("\n    " + line for line in text.strip().splitlines()[-lines:])


def make(tally, args, what, *goals, board=None):
    command = ["make", f"-j{WORKERS}", "--keep-going", f"BUILD={args.build_as_given}", f"BOARD={board or args.boards[0]}", *goals]
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    result = subprocess.run(command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, check=False)
    tally.add(what, f"make ended with {result.returncode}" + indented(result.stdout, 30) if result.returncode else None)
    return result.returncode == 0


def stage_build(tally, args):
    for board in args.boards:
        for compiler in ("gcc", "clang"):
            make(tally, args, f"{board}: the hypervisor builds with {compiler}; no SIMD, nothing writable and executable",
                 "hypervisor", f"COMPILER={compiler}", board=board)
        make(tally, args, f"{board}: the guests build", "guests", board=board)
    make(tally, args, "the host programs and the UEFI loaders build", "host-programs", "efi-loader")


# ---- unit tests ------------------------------------------------------------------------------------------------------
def run_unit(program):
    """Runs one cmocka program; returns ([names passed], [(name, complaint)], number skipped)."""
    if not program.exists():
        return [], [("all of it", "it did not build")], 0
    environment = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP", ASAN_OPTIONS="detect_leaks=1",
                       UBSAN_OPTIONS="print_stacktrace=1")
    try:
        result = subprocess.run([str(program)], cwd=ROOT, env=environment, capture_output=True, text=True,
                                errors="replace", timeout=UNIT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return [], [("all of it", f"it did not end within {UNIT_SECONDS} s")], 0
    passed, failed, skipped = [], [], 0
    for line in result.stdout.splitlines():
        match = re.match(r"(not )?ok \d+ - (\S+)(\s+# SKIP)?", line)
        if not match:
            match = re.match(r"(not )?ok \d+ (# SKIP) (\S+)?", line)
            skipped += 1 if match else 0
        elif match.group(3):
            skipped += 1
        elif match.group(1):
            failed.append((match.group(2), "see below"))
        else:
            passed.append(match.group(2))
    planned = sum(int(count) for count in re.findall(r"^1\.\.(\d+)", result.stdout, re.MULTILINE))
    told = len(passed) + len(failed) + skipped
    if failed or result.returncode or told < max(planned, 1):
        detail = indented(result.stdout + result.stderr, 40)
        if not failed:
            failed.append(("its end", f"exit status {result.returncode} after {told} of {planned} tests"))
        failed[-1] = (failed[-1][0], failed[-1][1] + detail)
    return passed, failed, skipped


def stage_unit(tally, args):
    make(tally, args, "the unit tests build", "units")
    sources = sorted(path for pattern in UNIT_TESTS for path in ROOT.glob(pattern))
    programs = [args.build / variant / source.relative_to(ROOT).with_suffix("") for source in sources for variant in VARIANTS]
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        for program, (passed, failed, skipped) in zip(programs, pool.map(run_unit, programs)):
            name = program.relative_to(args.build)
            for _test in passed:
                tally.add(str(name), quiet=True)
            for test, complaint in failed:
                tally.add(f"{name}: {test}", complaint)
            tally.skipped += skipped
            if not failed:
                print(f"ok: {name}: {len(passed)} tests" + (f", {skipped} skipped" if skipped else ""), flush=True)


def stage_mutants(tally, args):
    make(tally, args, f"the tests notice {MUTANTS} small mistakes in sched/ and timer/", "mutants", f"COUNT={MUTANTS}")


def stage_fuzz(tally, args):
    make(tally, args, "the fuzz targets build", "fuzzers")
    fuzz.run_all(args.build, tally.add, runs=FUZZ_RUNS)


def stage_lint(tally, args):
    result = subprocess.run(["scripts/lint.sh", "--build", str(args.build_as_given)], cwd=ROOT, text=True, capture_output=True,
                            check=False)
    for match in re.finditer(r"^(ok|FAILED): (.*)$", result.stdout, re.MULTILINE):
        tally.add(match.group(2), None if match.group(1) == "ok" else "see below")
    if result.returncode:
        print(result.stdout + result.stderr)


def stage_system(tally, args):
    # Else they would run what an older source was built to, and pass.
    if "build" not in args.chosen and not all([make(tally, args, f"{board}: what its system tests run builds", *SYSTEM_GOALS,
                                                    board=board) for board in args.boards]):
        return
    report = args.build / "tests/system.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", str(WORKERS),
               "--durations=10", f"--junitxml={report}", "tests"]
    environment = dict(os.environ, TAKT_BUILD=str(args.build), TAKT_BOARDS=",".join(args.boards))
    subprocess.run(command + (["-k", args.k] if args.k else []), cwd=ROOT, env=environment, check=False)
    try:
        suite = xml.etree.ElementTree.parse(report).getroot().find("testsuite")
    except (OSError, xml.etree.ElementTree.ParseError) as error:
        tally.add("system tests", f"pytest left no report: {error}")
        return
    count = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
    bad = count["failures"] + count["errors"]
    tally.failed += bad
    tally.skipped += count["skipped"]
    tally.passed += count["tests"] - bad - count["skipped"]
    tally.failures += [f"{case.get('classname')}: {case.get('name')}" for case in suite.iter("testcase")
                       if case.find("failure") is not None or case.find("error") is not None]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--board", dest="boards", action="append", help="only this one (may be given again)")
    parser.add_argument("--only", default=",".join(STAGES), help=f"of {','.join(STAGES)}")
    parser.add_argument("-k", help="only the system tests that match (pytest's expression)")
    args = parser.parse_args()
    args.boards = args.boards or sorted(path.parent.name for path in ROOT.glob("boards/*/board.mk"))
    args.build_as_given = args.build
    args.build = args.build.resolve()
    args.chosen = args.only.split(",")
    unknown = set(args.chosen) - set(STAGES)
    if unknown:
        parser.error(f"--only knows {', '.join(STAGES)}, not {', '.join(sorted(unknown))}")
    tally = Tally()
    for stage in STAGES:
        if stage in args.chosen:
            begin = time.monotonic()
            print(f"== {stage}", flush=True)
            globals()[f"stage_{stage}"](tally, args)
            print(f"== {stage}: {time.monotonic() - begin:.0f} s", flush=True)
    if tally.failures:
        print("\nFailed:" + "".join(f"\n  {name}" for name in tally.failures))
    print(tally.summary())
    return 1 if tally.failed or not tally.passed else 0


if __name__ == "__main__":
    sys.exit(main())

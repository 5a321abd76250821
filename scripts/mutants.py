#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Mutates sched/ and timer/ and asks the unit tests whether they notice. `make mutants` calls it.

    mutants.py --build DIR --cc COMPILER --cflags FLAGS [--count N] [--seed S] [--least PERCENT] [--jobs N] [FILE ...]

Each mutant is one small mistake in one line: a comparison, an off-by-one, a dropped statement, a swapped field or
argument. It is compiled below DIR/mutants and linked before libtakt.a with the tests of its file, which run until the
first fails. One whose object code does not differ is not counted. Prints what survived, which is a gap in the tests or a
mutant that computes the same, and ends with a non-zero status when fewer than PERCENT of the sample were killed.
"""
import argparse
import collections
import concurrent.futures
import fnmatch
import itertools
import os
import pathlib
import random
import re
import shlex
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent

# The tests that know a file, the quickest first.
CORE = ("sched_core", "sched_server", "sched_refills", "sched_refused", "dispatch", "vcpu", "dispatch_random",
        "sched_simulation")
TESTS = {
    "sched/admission.c": ("admission_sources", "placement", "admission"),
    "sched/fraction.[ch]": ("admission_sources", "placement", "admission"),
    "sched/placement.[ch]": ("placement_choice", "placement"),
    "sched/advice.[ch]": ("placement_choice", "placement"),
    "sched/*.[ch]": CORE,
    "timer/clock.[ch]": ("timer_clock",),
    "timer/timer_queue.[ch]": ("timer_queue", "dispatch"),
    # Not mutated unless named.
    "kernel/vm.c": ("vm_life", "vm_policy", "vcpu", "dispatch_random"),
    "kernel/*.c": ("dispatch", "vcpu", "vm_life", "vm_policy", "dispatch_random"),
}
DEFAULT = ("sched/*.c", "sched/entity_heap.h", "sched/share.h", "timer/*.c")

SWAPS = (  # of one pair, each for the other
    (r"(?<![<>=!-])<(?![<=])", "<="), (r"(?<!<)<=", "<"), (r"(?<![->])>(?![>=])", ">="), (r"(?<!>)>=", ">"),
    (r"==", "!="), (r"!=", "=="), (r"&&", "||"), (r"\|\|", "&&"), (r"\+=", "-="), (r"-=", "+="), (r"\+\+", "--"),
    (r"(?<![-\w])--", "++"), (r"(?<=\w\s)\+(?=\s)", "-"), (r"(?<=[\w\])]\s)-(?=\s)", "+"), (r"(?<=\s)/(?=\s)", "*"),
    (r"(?<=\s)%(?=\s)", "/"), (r"\btrue\b", "false"), (r"\bfalse\b", "true"), (r"!(?=[\w(])", ""),
)
FIELDS = (("deadline", "period"), ("remaining", "consumed"), ("time", "amount"), ("ready", "throttled"),
          ("when", "slack"), ("num", "den"), ("numerator", "denominator"), ("cost", "distance"),
          ("to_ticks", "to_ns"), ("at", "demand"), ("budget", "debt"), ("release", "key"), ("turn", "turn_left"),
          ("task_count", "source_count"))
LITERAL = r"(?<![\w.])\d+u?(?![\w.])"
CALL_OF_TWO = r"(?<=\w)\(([^(),]+), ([^(),]+)\)"
NO_STATEMENT = r"return|break|continue|case|default|goto|const |struct |uint|int |bool |wide |static |_Static|\w+ \w+ ="
STATEMENT = rf"^\s+(?!{NO_STATEMENT})[\w*(].*;$"
EXITS = r"^\s+(return|break|continue)\b.*;$"

WRONG_TYPES = ("-Werror=incompatible-pointer-types", "-Werror=int-conversion")

Mutant = collections.namedtuple("Mutant", "number file line kind before after")


def masked(text):
    """The text with comments, strings and preprocessor lines blanked, every character in its place."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group())
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|^[ \t]*(?:#|_Static_assert)(?:\\\n|[^\n])*', blank, text,
                  flags=re.DOTALL | re.MULTILINE)


def replaced(line, match, text):
    return line[:match.start()] + text + line[match.end():]


def changes(code, line):
    """Every mutant of a line, as (kind, new line); `code` is the line masked."""
    for pattern, text in SWAPS:
        for match in re.finditer(pattern, code):
            yield f"{match.group()} becomes {text or 'nothing'}", replaced(line, match, text)
    for match in re.finditer(LITERAL, code):
        value = int(match.group().rstrip("u"))
        yield "off by one", replaced(line, match, str(value + 1) + ("u" if match.group().endswith("u") else ""))
    for pair in FIELDS:
        for one, other in (pair, pair[::-1]):
            for match in re.finditer(rf"(?<=->){one}\b|(?<=\.){one}\b(?! =)", code):
                yield f"field {one} becomes {other}", replaced(line, match, other)
    for match in re.finditer(CALL_OF_TWO, code):
        yield "arguments swapped", replaced(line, match, f"({match.group(2)}, {match.group(1)})")
    if re.match(STATEMENT, code) and code.count("(") == code.count(")"):
        yield "statement dropped", re.match(r"\s*", line).group() + ";"
    if re.match(EXITS, code) and not re.search(r"\breturn [^;]", code):
        yield "exit dropped", re.match(r"\s*", line).group() + ";"


def mutants_of(name, numbers):
    text = (ROOT / name).read_text(encoding="utf-8")
    in_function = False
    for number, (code, line) in enumerate(zip(masked(text).splitlines(), text.splitlines()), 1):
        in_function = (in_function and not code.startswith("}")) or code.startswith("{") or \
            bool(re.match(r"\S.*\)\s*\{$", code))
        if in_function:
            for kind, after in changes(code, line):
                yield Mutant(next(numbers), name, number, kind, line.strip(), after.strip())


def tests_of(name):
    return next(tests for pattern, tests in TESTS.items() if fnmatch.fnmatch(name, pattern))


class Bench:
    """Compiles and runs; knows how long the tests take when nothing is wrong."""

    def __init__(self, args):
        self.args = args
        self.folder = args.build / "mutants"
        self.flags = [*shlex.split(args.cflags), "-O1", "-w", "-g0", *WRONG_TYPES]
        self.objects = {}
        self.seconds = {}

    def compile(self, source, out, *include):
        command = [self.args.cc, *include, *self.flags, "-c", "-o", str(out), str(source)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 0

    def sources(self, name):
        """What is compiled for a file: itself, or who includes it."""
        if name.endswith(".c"):
            return [name]
        room = name.split("/", maxsplit=1)[0]
        return [str(path.relative_to(ROOT)) for path in sorted(ROOT.glob(f"{room}/*.c"))]

    def original(self, source):
        if source not in self.objects:
            out = self.folder / ("original-" + source.replace("/", "-") + ".o")
            if not self.compile(source, out):
                raise SystemExit(f"mutants: {source} does not compile")
            self.objects[source] = out.read_bytes()
        return self.objects[source]

    def link(self, folder, test, objects):
        program = folder / test
        own = self.args.build / "host/obj/tests/unit"
        parts = [own / f"test_{test}.o", *objects, *sorted(own.glob("helpers/*.o")), self.args.build / "host/libtakt.a"]
        command = [self.args.cc, "-O1", "-o", str(program), *map(str, parts), "-lcmocka"]
        linked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if linked.returncode:
            raise SystemExit(f"mutants: test_{test} does not link:\n{linked.stderr}")
        return program

    def passes(self, program, seconds):
        try:
            return subprocess.run([str(program)], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  timeout=seconds, check=False).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def prepare(self, names):
        for test in sorted({test for name in names for test in tests_of(name)}):
            began = time.monotonic()
            if not self.passes(self.args.build / f"host/tests/unit/test_{test}", 600):
                raise SystemExit(f"mutants: test_{test} fails without any mutant")
            self.seconds[test] = 10 * (time.monotonic() - began) + 5
        for source in {source for name in names for source in self.sources(name)}:
            self.original(source)

    def judge(self, mutant):
        """'killed by TEST', 'survived', 'does not compile' or 'equivalent'."""
        folder = self.folder / str(mutant.number)
        path = folder / mutant.file
        path.parent.mkdir(parents=True)
        lines = (ROOT / mutant.file).read_text(encoding="utf-8").splitlines()
        indent = re.match(r"\s*", lines[mutant.line - 1]).group()
        lines[mutant.line - 1] = indent + mutant.after
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        objects, differs = [], False
        for number, source in enumerate(self.sources(mutant.file)):
            out = folder / f"{number}.o"
            if not self.compile(path if source == mutant.file else ROOT / source, out, f"-I{folder}"):
                return "does not compile"
            differs = differs or out.read_bytes() != self.original(source)
            objects.append(out)
        if not differs:
            return "equivalent"
        for test in tests_of(mutant.file):
            if not self.passes(self.link(folder, test, objects), self.seconds[test]):
                return f"killed by {test}"
        return "survived"

    def run(self, mutant):
        try:
            return mutant, self.judge(mutant)
        finally:
            shutil.rmtree(self.folder / str(mutant.number), ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True, type=pathlib.Path)
    parser.add_argument("--cc", default="gcc")
    parser.add_argument("--cflags", required=True)
    parser.add_argument("--count", type=int, default=0, help="so many mutants, chosen at random; 0: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--least", type=float, default=90, help="percent that must be killed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("files", nargs="*", help="patterns; default: " + " ".join(DEFAULT))
    args = parser.parse_args()
    args.build = args.build.resolve()
    names = sorted({str(path.relative_to(ROOT)) for pattern in args.files or DEFAULT for path in ROOT.glob(pattern)})
    numbers = itertools.count(1)
    mutants = [mutant for name in names for mutant in mutants_of(name, numbers)]
    total = len(mutants)
    if 0 < args.count < total:
        mutants = sorted(random.Random(args.seed).sample(mutants, args.count))
    bench = Bench(args)
    shutil.rmtree(bench.folder, ignore_errors=True)
    bench.folder.mkdir(parents=True)
    bench.prepare({mutant.file for mutant in mutants})
    began = time.monotonic()
    counts = collections.Counter()
    by_file = collections.defaultdict(collections.Counter)
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for mutant, verdict in pool.map(bench.run, mutants):
            word = verdict.split()[0]
            counts[word] += 1
            by_file[mutant.file][word] += 1
            if word == "survived":
                print(f"survived: {mutant.file}:{mutant.line}: {mutant.kind}", flush=True)
                print(f"    {mutant.before}\n    {mutant.after}", flush=True)
    shutil.rmtree(bench.folder, ignore_errors=True)
    for name, tally in sorted(by_file.items()):
        print(f"{name}: {tally['killed']} killed, {tally['survived']} survived")
    judged = counts["killed"] + counts["survived"]
    rate = 100 * counts["killed"] / judged if judged else 0
    print(f"{len(mutants)} of {total} mutants (seed {args.seed}) in {time.monotonic() - began:.0f} s: {counts['equivalent']} "
          f"equivalent, {counts['does']} do not compile; {counts['killed']} of {judged} killed: {rate:.1f} %")
    return 0 if judged and rate >= args.least else 1


if __name__ == "__main__":
    sys.exit(main())

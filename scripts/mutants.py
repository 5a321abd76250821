#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Mutates sched/ and timer/ and asks the unit tests whether they notice. `make mutants` calls it.

    mutants.py --build DIR --cc COMPILER --cflags FLAGS [--count N] [--seed S] [--least PERCENT] [--jobs N] [FILE ...]

Each mutant is one small mistake in one line: a comparison, an off-by-one, a dropped statement, a swapped field or
argument. It is compiled below DIR/mutants and linked before libtakt.a with the tests of its file, which run until the
first fails. One whose object code does not differ is not counted. Of a header, its room and these tests are compiled.

tests/proof/survivors.txt lists the mutants that may survive and why. Ends with a non-zero status when another one
survives, when the list names one that there is not, or when fewer than PERCENT of all were killed. A sample leaves out
those of the list, for they cost most; without --count they are tried, too, and told when a test kills them by now.
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
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent

# The tests that know a file, the quickest first.
CORE = ("sched_core", "sched_edges", "sched_server", "sched_refills", "sched_refused", "reclaim", "dispatch", "vcpu", "core_states",
        "server_states", "dispatch_random", "sched_simulation")
PLACING = ("placement_choice", "placement_edges", "placement", "placement_split")
TESTS = {
    "sched/admission.c": ("admission_sources", "placement", "reclaim", "admission"),
    "sched/advice.c": PLACING,
    "sched/advice.h": PLACING,
    "sched/fraction.c": ("fraction", "admission_sources", "admission"),
    "sched/fraction.h": ("fraction", "admission_sources", "admission"),
    "sched/change.c": ("sched_change", "change_states", "control"),
    "sched/change.h": ("sched_change", "change_states", "control"),
    "sched/entity_heap.h": CORE,
    "sched/latency.c": ("latency_offsets", "latency"),
    "sched/latency_reclaim.c": ("latency_reclaim",),
    "sched/latency_split.c": ("latency_split",),
    "sched/placement.c": PLACING,
    "sched/query.c": CORE,
    "sched/reclaim.c": ("reclaim_edges", "reclaim"),
    "sched/sched.c": (*CORE, "reclaim_edges", "distortion", "pieces"),
    "sched/sched.h": CORE,
    "sched/server.c": CORE,
    "sched/server.h": CORE,
    "sched/share.h": CORE,
    "sched/split.c": PLACING,
    "sched/split.h": PLACING,
    "sched/supply.c": ("supply_limits", "supply"),
    "timer/clock.c": ("timer_clock",),
    "timer/clock.h": ("timer_clock",),
    "timer/timer_queue.c": ("timer_queue", "timer_queue_states", "dispatch"),
    "timer/timer_queue.h": ("timer_queue", "timer_queue_states", "dispatch"),
}
ROOMS = ("sched", "timer")  # where every file that has mutants needs a row
# Not mutated unless named.
MORE_TESTS = {
    "kernel/vm.c": ("vm_life", "vm_policy", "vcpu", "dispatch_random"),
    "kernel/*.c": ("dispatch", "vcpu", "vm_life", "vm_policy", "dispatch_random"),
}
TEST_FOLDERS = ("tests/unit", "tests/proof")
SURVIVORS = ROOT / "tests/proof/survivors.txt"

SWAPS = (  # of one pair, each for the other
    (r"(?<![<>=!-])<(?![<=])", "<="), (r"(?<!<)<=", "<"), (r"(?<![->])>(?![>=])", ">="), (r"(?<!>)>=", ">"),
    (r"==", "!="), (r"!=", "=="), (r"&&", "||"), (r"\|\|", "&&"), (r"\+=", "-="), (r"-=", "+="), (r"\+\+", "--"),
    (r"(?<![-\w])--", "++"), (r"(?<=\w\s)\+(?=\s)", "-"), (r"(?<=[\w\])]\s)-(?=\s)", "+"), (r"(?<=\s)/(?=\s)", "*"),
    (r"(?<=\s)%(?=\s)", "/"), (r"\btrue\b", "false"), (r"\bfalse\b", "true"), (r"!(?=[\w(])", ""),
)
FIELDS = (("deadline", "period"), ("remaining", "consumed"), ("time", "amount"), ("ready", "sharing"),
          ("when", "slack"), ("num", "den"), ("numerator", "denominator"), ("cost", "distance"),
          ("to_ticks", "to_ns"), ("at", "demand"), ("budget", "debt"), ("release", "key"), ("turn", "turn_left"),
          ("task_count", "source_count"))
LITERAL = r"(?<![\w.])\d+u?(?![\w.])"
CALL_OF_TWO = r"(?<=\w)\(([^(),]+), ([^(),]+)\)"
NO_STATEMENT = r"return|break|continue|case|default|goto|const |struct |uint|int |bool |wide |static |_Static|\w+ \w+ ="
STATEMENT = rf"^\s+(?!{NO_STATEMENT})[\w*(].*;$"
FUNCTION_OF_A_LINE = r"\S.*\)\s*\{.*\}$"
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
    in_function, head = False, ""  # a head may stand on several lines
    for number, (code, line) in enumerate(zip(masked(text).splitlines(), text.splitlines()), 1):
        head = code if re.match(r"\w", code) else head if re.match(r"\s", code) else ""
        in_function = (in_function and not code.startswith("}")) or code.startswith("{") or \
            ("(" in head and bool(re.search(r"\)\s*\{$", code)))
        if in_function or re.match(FUNCTION_OF_A_LINE, code):
            for kind, after in changes(code, line):
                yield Mutant(next(numbers), name, number, kind, line.strip(), after.strip())


def files_of_rooms():
    return sorted(path.relative_to(ROOT) for room in ROOMS for path in ROOT.glob(f"{room}/*.[ch]"))


def tests_of(name):
    for pattern, tests in (TESTS | MORE_TESTS).items():
        if fnmatch.fnmatch(name, pattern):
            return tests
    raise SystemExit(f"mutants: which tests know {name}? Give it a row in TESTS of scripts/mutants.py")


def test_source(test):
    return next(f"{folder}/test_{test}" for folder in TEST_FOLDERS if (ROOT / folder / f"test_{test}.c").exists())


def identity(mutant):
    """What stays when lines move."""
    return mutant.file, mutant.kind, mutant.before, mutant.after


def read_survivors(text):
    """{identity: reason}. An entry is what a run prints of a survivor, without the line's number; above one or several
    stands `because` and the reason that they share."""
    listed, reason, lines = {}, "", iter(text.splitlines())
    for line in lines:
        if line.startswith("because "):
            reason = line.removeprefix("because ").strip()
        elif line.strip() and not line.startswith("#"):
            file, _, kind = line.partition(": ")
            if not reason or not kind or line[0].isspace():
                raise SystemExit(f"mutants: {SURVIVORS.name}: not an entry below a reason: {line}")
            listed[file, kind, next(lines, "").strip(), next(lines, "").strip()] = reason
    return listed


class Bench:
    """Compiles and runs; knows how long the tests take when nothing is wrong."""

    def __init__(self, args):
        self.args = args
        self.folder = args.build / "mutants"
        self.flags = [*shlex.split(args.cflags), "-O1", "-g0", *WRONG_TYPES]
        self.objects = {}
        self.seconds = {}
        self.measuring = threading.Lock()

    def compile(self, source, out, *include):
        command = [self.args.cc, *include, *self.flags, "-c", "-o", str(out), str(source)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 0

    def sources(self, name):
        """What is compiled for a file: itself, or who includes it."""
        if name.endswith(".c"):
            return [name]
        room = name.split("/", maxsplit=1)[0]
        return [str(path.relative_to(ROOT)) for path in sorted(ROOT.glob(f"{room}/*.c"))]

    def tests(self, name):
        """(test, whether it is compiled, too, for it may include the file)."""
        return [(test, name.endswith(".h")) for test in tests_of(name)]

    def original(self, source):
        if source not in self.objects:
            out = self.folder / ("original-" + source.replace("/", "-") + ".o")
            if not self.compile(source, out):
                raise SystemExit(f"mutants: {source} does not compile")
            self.objects[source] = out.read_bytes()
        return self.objects[source]

    def link(self, folder, test, test_object, objects):
        program = folder / test
        own = self.args.build / "host/obj"
        parts = [test_object or own / f"{test_source(test)}.o", *objects, *sorted(own.glob("tests/unit/helpers/*.o")),
                 self.args.build / "host/libtakt.a"]
        command = [self.args.cc, "-O1", "-o", str(program), *map(str, parts), "-lcmocka"]
        linked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if linked.returncode:
            raise SystemExit(f"mutants: test_{test} does not link:\n{linked.stderr}")
        return program

    def passes(self, program, seconds):
        try:
            environment = dict(os.environ, PROOF_DEPTH="0")
            return subprocess.run([str(program)], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  timeout=seconds, check=False).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def patience(self, test):
        """Seconds that a test may take, from what it takes without any mutant; most slow ones are seldom needed."""
        with self.measuring:
            if test not in self.seconds:
                began = time.monotonic()
                if not self.passes(self.args.build / "host" / test_source(test), 600):
                    raise SystemExit(f"mutants: test_{test} fails without any mutant")
                self.seconds[test] = 10 * (time.monotonic() - began) + 5
            return self.seconds[test]

    def prepare(self, names):
        for name in names:
            for source in [*self.sources(name), *(f"{test_source(test)}.c" for test, compiled in self.tests(name) if compiled)]:
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
            if not self.compile(path if source == mutant.file else source, out, f"-I{folder}"):
                return "does not compile"
            differs = differs or out.read_bytes() != self.original(source)
            objects.append(out)
        for test, compiled in self.tests(mutant.file):
            test_object = folder / f"{test}.o" if compiled else None
            if compiled:
                source = f"{test_source(test)}.c"
                if not self.compile(source, test_object, f"-I{folder}"):
                    return "does not compile"
                differs = differs or test_object.read_bytes() != self.original(source)
            if differs and not self.passes(self.link(folder, test, test_object, objects), self.patience(test)):
                return f"killed by {test}"
        return "survived" if differs else "equivalent"

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
    parser.add_argument("files", nargs="*", help="patterns; default: " + " ".join(TESTS))
    args = parser.parse_args()
    args.build = args.build.resolve()
    forgotten = [name for name in map(str, files_of_rooms()) if name not in TESTS and any(mutants_of(name, itertools.count()))]
    if forgotten:
        raise SystemExit(f"mutants: no row in TESTS of scripts/mutants.py: {', '.join(forgotten)}; which tests know it?")
    names = sorted({str(path.relative_to(ROOT)) for pattern in args.files or TESTS for path in ROOT.glob(pattern)})
    numbers = itertools.count(1)
    mutants = [mutant for name in names for mutant in mutants_of(name, numbers)]
    total = len(mutants)
    listed = read_survivors(SURVIVORS.read_text(encoding="utf-8"))
    missing = [entry for entry in listed if entry[0] in names and entry not in set(map(identity, mutants))]
    if 0 < args.count < total:
        unlisted = [mutant for mutant in mutants if identity(mutant) not in listed]
        mutants = sorted(random.Random(args.seed).sample(unlisted, min(args.count, len(unlisted))))
    bench = Bench(args)
    shutil.rmtree(bench.folder, ignore_errors=True)
    bench.folder.mkdir(parents=True)
    bench.prepare({mutant.file for mutant in mutants})
    began = time.monotonic()
    counts = collections.Counter()
    by_file = collections.defaultdict(collections.Counter)
    unexpected = 0
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for mutant, verdict in pool.map(bench.run, mutants):
            word = verdict.split()[0]
            counts[word] += 1
            by_file[mutant.file][word] += 1
            if (word == "survived") == (identity(mutant) in listed):
                continue
            unexpected += word == "survived"
            print(f"{word if word == 'survived' else 'listed as a survivor, but ' + verdict}: "
                  f"{mutant.file}:{mutant.line}: {mutant.kind}\n    {mutant.before}\n    {mutant.after}", flush=True)
    shutil.rmtree(bench.folder, ignore_errors=True)
    for name, tally in sorted(by_file.items()):
        print(f"{name}: {tally['killed']} killed, {tally['survived']} survived")
    for file, kind, before, _ in missing:
        print(f"{SURVIVORS.name} lists what there is not: {file}: {kind}\n    {before}")
    judged = counts["killed"] + counts["survived"]
    rate = 100 * counts["killed"] / judged if judged else 0
    print(f"{len(mutants)} of {total} mutants (seed {args.seed}) in {time.monotonic() - began:.0f} s: {counts['equivalent']} "
          f"equivalent, {counts['does']} do not compile; {counts['killed']} of {judged} killed: {rate:.1f} %; "
          f"{unexpected} survived that {SURVIVORS.name} does not list")
    return 0 if judged and rate >= args.least and not unexpected and not missing else 1


if __name__ == "__main__":
    sys.exit(main())

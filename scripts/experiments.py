#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs one of the experiments of docs/experiments.md: the same guests on Takt, on the release's Xen, and where it makes sense
on the machine without a hypervisor, in the same deterministic emulator.

    experiments.py NAME [--build DIR] [--out DIR] --hypervisor takt.Image [-k LEG] [--again] [--samples N] [--jobs 2] [--patience N]

Reads boards/qemu-arm64/experiments/NAME.toml; prints a table and writes build/experiments/NAME.json with every sample. A leg is
GUEST on HYPERVISOR; what an earlier run of the very same files gave is kept, so that a run that was stopped goes on where it was.
-k (a regular expression on the name) runs those legs anew and no others, --again all.
Exit status 1 where Takt is over one of its bounds or a leg failed. What cannot run is told as skipped, with the reason.
"""
import argparse
import concurrent.futures
import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import tomllib

import bench
import machine
import takt_console
import xen

BOARD = "qemu-arm64"
CPU = "cortex-a57"
TAKT, BARE = "takt", "bare"
# What to do with a leg: run it; run it unless the same files gave a result; take that result if there is one.
ANEW, WANTED, KEPT = "anew", "wanted", "kept"
NOT_CHOSEN = "not chosen, and not run before with these files"
# Who printed it, as Takt's console and as Xen's write it; a guest alone on the machine has no name.
SOURCE = r"^(?:\[(?P<vm>[\w.-]+)\] |(?:\(XEN\) )?DOM(?P<dom>\d+): |(?:\(XEN\) )?)"
SAMPLES = re.compile(SOURCE + r"SAMPLES (?P<row>\S+)(?P<values>(?: \d+)+)\s*$", re.MULTILINE)
BENCH = re.compile(SOURCE + r"BENCH (?P<row>\S+) \S+ (?P<values>\d+ \d+ \d+ \d+ \d+)\s*$", re.MULTILINE)
DONE = r"BENCH-DONE"
COUNT = re.compile(r"\b(samples|frames)=\d+")
FIGURES = ("samples", "mean", "p50", "p99", "max")


class ExperimentError(Exception):
    """What is wrong and what to do."""


@dataclasses.dataclass(frozen=True)
class Leg:
    guest: dict       # a [[guest]] of the plan
    hypervisor: dict  # a [[hypervisor]] of it, or BARE's

    @property
    def name(self):
        return f"{self.guest['name']} on {self.hypervisor['name']}"

    @property
    def file_name(self):
        return re.sub(r"[^\w.-]+", "-", self.name)


# ---- the plan ------------------------------------------------------------------------------------------------------------
def load_plan(name):
    path = machine.ROOT / "boards" / BOARD / "experiments" / f"{name}.toml"
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.toml")))
        raise ExperimentError(f"there is no experiment {name}; the experiments are: {known}")
    with open(path, "rb") as file:
        return tomllib.load(file)


def legs_of(plan):
    legs = []
    for guest in plan["guest"]:
        if guest.get("bare"):
            legs.append(Leg(guest, {"name": BARE, "options": ""}))
        legs += [Leg(guest, hypervisor) for hypervisor in plan["hypervisor"]]
    return legs


# ---- what guests print -----------------------------------------------------------------------------------------------
def printed_by(match, guests):
    """The name of the guest that printed a line; `guests`: all of them in the description's order."""
    if match["vm"]:
        return match["vm"]
    return guests[int(match["dom"]) - 1] if match["dom"] else guests[0]


def parse_samples(text, guests):
    """{(guest, row): [values in their order]} of a console's text."""
    rows = {}
    for match in SAMPLES.finditer(text):
        rows.setdefault((printed_by(match, guests), match["row"]), []).extend(map(int, match["values"].split()))
    return rows


def parse_rows(text, guests):
    """{(guest, row): (min, mean, p99, max, samples)}"""
    return {(printed_by(match, guests), match["row"]): tuple(map(int, match["values"].split()))
            for match in BENCH.finditer(text)}


def figures_of(values):
    """Order statistics: the p-th is the least value that at least p of 100 do not exceed."""
    ordered, n = sorted(values), len(values)
    return {"samples": n, "mean": (sum(ordered) + n // 2) // n, "p50": ordered[(50 * n + 99) // 100 - 1],
            "p99": ordered[(99 * n + 99) // 100 - 1], "max": ordered[-1]}


def emulator_version():
    """What gives equal figures with equal files."""
    command = machine.board_settings(BOARD)["emulator"]
    try:
        return subprocess.run([command, "--version"], check=True, capture_output=True, text=True, timeout=60).stdout.splitlines()[0]
    except FileNotFoundError as missing:
        raise ExperimentError(f"{command} is not installed; run 'make setup' as root") from missing


# ---- running a leg -------------------------------------------------------------------------------------------------------
class Runner:
    def __init__(self, plan, args):
        self.plan, self.args = plan, args
        self.out = args.out.resolve() / args.name
        self.out.mkdir(parents=True, exist_ok=True)
        self.emulator = emulator_version()
        self.running, self.stopped = [], False
        try:
            self.xen = xen.unpack(args.build, args.out)
        except xen.XenMissing as missing:
            self.xen = missing

    def description(self, leg):
        """The leg's description, with as many samples as are wanted, in the folder of results."""
        source = machine.ROOT / "boards" / BOARD / "experiments" / f"{leg.guest['system']}.dts"
        text = source.read_text(encoding="utf-8").replace("../../../build/", f"{self.args.build.resolve()}/")
        samples = leg.guest["bare"] if leg.hypervisor["name"] == BARE else self.args.samples
        if "adapt" in leg.guest:
            text = text.replace(*leg.guest["adapt"])
        if samples:
            text = COUNT.sub(rf"\1={samples}", text)
        path = self.out / f"{leg.file_name}.dts"
        path.write_text(text, encoding="utf-8")
        return path

    def _takt(self, leg, emulated):
        source, itb = self.description(leg), self.out / f"{leg.file_name}.itb"
        packed = subprocess.run([sys.executable, "scripts/mkimage.py", "--board", BOARD, "--hypervisor",
                                 str(self.args.hypervisor.resolve()), "--out", str(itb), str(source)],
                                cwd=machine.ROOT, capture_output=True, text=True, check=False)
        if packed.returncode:
            raise ExperimentError(f"{source} cannot be packed: {packed.stderr.strip()}")
        return emulated.command(self.args.hypervisor, itb)

    def _xen(self, leg, emulated, guests):
        if isinstance(self.xen, xen.XenMissing):
            raise self.xen
        image, version = self.xen
        return xen.command(emulated, image, guests, leg.hypervisor["options"], self.out / leg.file_name), version

    @staticmethod
    def _bare(emulated, guest):
        """The guest of that description alone: its kernel in the hypervisor's place."""
        return emulated.command_with("-kernel", str(guest.kernel), "-initrd", str(guest.initrd), "-append", guest.bootargs)

    def fingerprint(self, command, guests):
        """Of all that decides what a leg gives: the emulator's command line and every file of the system."""
        digest = hashlib.sha256(json.dumps([self.emulator, *command]).replace(f"{self.out}/", "").encode())
        files = {path for guest in guests for path in (guest.kernel, guest.initrd) if path}
        files |= {pathlib.Path(word) for word in command if os.path.isfile(word)} - {pathlib.Path(command[0])}
        for path in sorted(files):
            digest.update(path.read_bytes())
        return digest.hexdigest()

    def run(self, leg, choice):
        """The leg's result, which is kept beside its log."""
        emulated = machine.Machine(board=BOARD, cpu=CPU, cores=1, icount=True)
        result = {"leg": leg.name, "guest": leg.guest["name"], "hypervisor": leg.hypervisor["name"]}
        if leg.hypervisor["name"] not in (TAKT, BARE) and "not-on-xen" in leg.guest:
            return {**result, "skipped": leg.guest["not-on-xen"]}
        guests = xen.guests_of(self.description(leg))
        if leg.hypervisor["name"] == TAKT:
            command, version = self._takt(leg, emulated), "this tree"
        elif leg.hypervisor["name"] == BARE:
            command, version = self._bare(emulated, guests[0]), ""
        else:
            try:
                command, version = self._xen(leg, emulated, guests)
            except xen.XenMissing as missing:
                return {**result, "skipped": str(missing)}
        result |= {"version": version, "options": leg.hypervisor.get("options", ""),
                   "fingerprint": self.fingerprint(command, guests)}
        kept = self.out / f"{leg.file_name}.json"
        if choice != ANEW:
            earlier = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
            if earlier.get("fingerprint") == result["fingerprint"]:
                return earlier | {"kept": True}
            if choice == KEPT:
                return {**result, "skipped": NOT_CHOSEN}
        started = time.monotonic()
        result |= self._measure(leg, command, [guest.name for guest in guests])
        result["seconds"] = round(time.monotonic() - started)
        kept.write_text(json.dumps(result) + "\n", encoding="utf-8")
        return result

    @contextlib.contextmanager
    def console(self, command, log, seconds):
        """An emulator that stop() ends."""
        if self.stopped:
            raise ExperimentError("stopped")
        with takt_console.Console(command, log, seconds) as console:
            self.running.append(console)
            try:
                yield console
            finally:
                self.running.remove(console)

    def stop(self):
        """Ends the emulators; who waits for them fails at once, and nobody starts another."""
        self.stopped = True
        for console in list(self.running):
            console.process.kill(signal.SIGKILL)

    def _measure(self, leg, command, guests):
        seconds, log = leg.guest["seconds"] * self.args.patience, self.out / f"{leg.file_name}.log"
        wait_for = leg.guest.get("wait-for", [self.plan["vm"]])
        with self.console(command, log, seconds) as console:
            try:
                for _ in wait_for:
                    console.expect(DONE, seconds, f"BENCH-DONE of {' and '.join(wait_for)}")
            except takt_console.ConsoleError as error:
                if console.status is None and not takt_console.PANIC.search(console.text):
                    raise ExperimentError(f"it was not done in {seconds} s; PATIENCE=4 gives each leg four times the plan's limit\n{error}") from error
                raise
            text = console.text
        samples, rows = parse_samples(text, guests), parse_rows(text, guests)
        asked, late = (samples.get((self.plan["vm"], row)) for row in self.plan["rows"])
        if not asked or not late or len(asked) != len(late):
            raise ExperimentError(f"{leg.name}: the samples of {self.plan['vm']} are not complete; its console: {log}")
        counts = {f"{vm}.{row}": rows.get((vm, row), (None,) * 5)[3] for vm in wait_for for row in leg.guest.get("most", {})}
        missing = [name for name, count in counts.items() if count is None]
        if missing:
            raise ExperimentError(f"{leg.name}: no row {', '.join(missing)}; its console: {log}")
        promise = bench.parse_promises(text).get((self.plan["vm"], "0"), {})
        return {**figures_of(late), "counts": counts, "promise-us": promise.get("blackout-us"),
                "requested-actual-ns": [[wanted, wanted + more] for wanted, more in zip(asked, late)]}


# ---- the verdict ---------------------------------------------------------------------------------------------------------
def bounds_of(guest, results):
    """The bounds of Takt for a guest: {figure: most}; those above the bare machine's once that has run."""
    bounds = dict(guest.get("bounds", {}))
    bare = results.get((guest["name"], BARE), {})
    for figure, more in guest.get("above-bare", {}).items():
        if figure in bare:
            bounds[figure] = bare[figure] + more
    if "computed" in guest:
        promised = results.get((guest["name"], TAKT), {}).get(guest["computed"])
        if promised:
            bounds["max"] = int(promised) * 1000
    return bounds


def over(result, bounds, most):
    """Every bound that a result is over, in words."""
    words = [f"{figure} {result[figure]:,} > {most:,}" for figure, most in bounds.items() if result[figure] > most]
    for name, count in result["counts"].items():
        if count > most[name.partition(".")[2]]:
            words.append(f"{name} {count:,} > {most[name.partition('.')[2]]:,}")
    return words


def judge(plan, results):
    """Adds a verdict to each result; returns what counts as failure: Takt over a bound, and legs that broke."""
    by_leg = {(result["guest"], result["hypervisor"]): result for result in results}
    complaints = []
    for guest in plan["guest"]:
        bounds = bounds_of(guest, by_leg)
        for (name, hypervisor), result in by_leg.items():
            if name != guest["name"]:
                continue
            if "failed" in result:
                complaints.append(f"{result['leg']}: {result['failed']}")
            if "mean" not in result:
                continue
            result["bounds"], result["over"] = bounds, over(result, bounds, guest.get("most", {}))
            if hypervisor == TAKT:
                complaints += [f"{result['leg']}: {words}" for words in result["over"]]
                if not bounds:
                    complaints.append(f"{result['leg']}: no bound; what it is compared with has not run")
    return complaints


def table(plan, results):
    """Markdown: one line for each leg."""
    counts = any(guest.get("most") for guest in plan["guest"])
    lines = [f"| {plan.get('guests-are', 'guest')} | hypervisor | options | samples | mean | p50 | p99 | max |{' other rows, max |' if counts else ''} Takt's bounds |",
             f"|---|---|---|--:|--:|--:|--:|--:|{'---|' if counts else ''}---|"]
    for result in results:
        head = f"| {result['guest']} | {result['hypervisor']} | {result.get('options') or '-'} |"
        if "mean" not in result:
            why = f"failed: {result['failed']}" if "failed" in result else f"skipped: {result['skipped']}"
            lines.append(head + " - | - | - | - | - |" + (" - |" if counts else "") + f" {why.splitlines()[0]} |")
            continue
        numbers = " | ".join(f"{result[figure]:,}" for figure in FIGURES)
        missed = ", ".join(f"{name} {count:,}" for name, count in result["counts"].items())
        verdict = ("over: " + ", ".join(result["over"]) if result["over"] else
                   "held: " + ", ".join(f"{figure} <= {most:,}" for figure, most in result["bounds"].items()))
        if result["hypervisor"] == BARE:
            verdict = "-"
        lines.append(f"{head} {numbers} |" + (f" {missed or '-'} |" if counts else "") + f" {verdict} |")
    return "\n".join(lines)


# ---- the command ---------------------------------------------------------------------------------------------------------
def choice(leg, args):
    if args.k:
        return ANEW if re.search(args.k, leg.name) else KEPT
    return ANEW if args.again else WANTED


def run_all(plan, args):
    """The results of all legs in the plan's order; what takes longest begins first."""
    legs = legs_of(plan)
    names = "; ".join(leg.name for leg in legs)
    try:
        if args.k and not any(re.search(args.k, leg.name) for leg in legs):
            raise ExperimentError(f"no leg matches '{args.k}'; the legs are: {names}")
    except re.error as wrong:
        raise ExperimentError(f"'{args.k}' is no regular expression ({wrong}); the legs are: {names}") from wrong
    runner = Runner(plan, args)

    def run(leg):
        try:
            result = runner.run(leg, choice(leg, args))
        except (ExperimentError, takt_console.ConsoleError, machine.MachineError, OSError,
                subprocess.CalledProcessError) as error:
            result = {"leg": leg.name, "guest": leg.guest["name"], "hypervisor": leg.hypervisor["name"]}
            result |= {"skipped": NOT_CHOSEN} if choice(leg, args) == KEPT else {"failed": str(error)}
        if choice(leg, args) != KEPT and not runner.stopped:
            did = next((word for word in ("failed", "skipped", "kept") if word in result), "ran")
            print(f"{leg.name}: {did}" + (f", {result['seconds']} s" if did == "ran" else ""), flush=True)
        return result

    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        futures = {leg.name: pool.submit(run, leg) for leg in sorted(legs, key=lambda leg: -leg.guest["seconds"])}
        try:
            return [futures[leg.name].result() for leg in legs]
        except KeyboardInterrupt as stopped:
            pool.shutdown(wait=False, cancel_futures=True)
            runner.stop()
            raise ExperimentError("stopped; what was measured is kept, and the same command goes on from there") from stopped


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="a file of boards/qemu-arm64/experiments/, without .toml")
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, help="where results and logs go (default: DIR/experiments)")
    parser.add_argument("--hypervisor", required=True, type=pathlib.Path)
    parser.add_argument("-k", help="only the legs whose name, GUEST on HYPERVISOR, matches (regular expression), and those anew")
    parser.add_argument("--again", action="store_true", help="every leg anew, also what the same files have given before")
    parser.add_argument("--samples", type=machine.count, help="sleeps of each leg (default: as the descriptions say)")
    parser.add_argument("--jobs", type=machine.count, default=min(2, os.cpu_count() or 1), help="emulators at a time (default: %(default)s)")
    parser.add_argument("--patience", type=machine.count, default=1, help="so many times the seconds that the plan gives a leg, for a slow or busy machine")
    args = parser.parse_args()
    args.out = args.out or args.build / "experiments"
    if not args.hypervisor.is_file():
        raise ExperimentError(f"there is no hypervisor {args.hypervisor}; run 'make hypervisor'")
    plan = load_plan(args.name)
    results = run_all(plan, args)
    path = args.out / f"{args.name}.json"
    complaints = judge(plan, results)
    told = {"experiment": args.name, "title": plan["title"], "guests-are": plan.get("guests-are", "guest"), "complaints": complaints,
            "hypervisor-sha256": hashlib.sha256(args.hypervisor.read_bytes()).hexdigest(), "legs": results}
    path.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    shown = [result for result in results if result.get("skipped") != NOT_CHOSEN]
    print(f"\n{plan['title']}; ns\n\n{table(plan, shown)}\n")
    for version in sorted({result["version"] for result in results if "options" in result and result["options"]}):
        print(f"Xen is {version} of Debian")
    for complaint in complaints:
        print(f"FAILED: {complaint}")
    measured = sum("mean" in result for result in results)
    print(f"{path}: {measured} of {len(results)} legs measured, {len(complaints)} complaints")
    return 1 if complaints else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (ExperimentError, machine.MachineError, OSError) as failure:
        print(f"experiments: {failure}", file=sys.stderr)
        sys.exit(2)

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Boots the benchmark systems of a board deterministically and holds their figures against the bounds.

    bench.py [--build DIR] [--board BOARD] --hypervisor takt.Image --compiler TEXT [-k NAME] [--record]

Reads boards/BOARD/bench.toml; writes DIR/bench/BOARD.json and a table. Exit status 1 where a bound is missed, a row is
missing, or a path has another length than boards/BOARD/path-lengths.json records for this compiler (--record writes it).
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import tomllib

import code_lines
import machine
import takt_console

BENCH_LINE = re.compile(r"^\[[\w.-]+\] BENCH (\S+) (\S+) (\d+) (\d+) (\d+) (\d+) (\d+)\s*$", re.MULTILINE)
BENCH_END = r"BENCH-DONE"
COLUMNS = ("min", "mean", "p99", "max", "samples")


class BenchError(Exception):
    """What is wrong and what to do."""


def load_plan(board):
    path = machine.ROOT / "boards" / board / "bench.toml"
    if not path.exists():
        raise BenchError(f"board '{board}' has no {path.relative_to(machine.ROOT)}: it has no benchmarks")
    with open(path, "rb") as file:
        return tomllib.load(file)


def parse_rows(text):
    """The BENCH lines of a console's text as {name: row}."""
    rows = {}
    for name, unit, *numbers in BENCH_LINE.findall(text):
        rows[name] = {"name": name, "unit": unit, **dict(zip(COLUMNS, map(int, numbers)))}
    return rows


def run_system(system, board, hypervisor, out):
    """Packs and boots one benchmark system; returns its rows."""
    source = machine.ROOT / "boards" / board / "bench" / f"{system['name']}.dts"
    itb = out / f"{system['name']}.itb"
    packed = subprocess.run([sys.executable, "scripts/mkimage.py", "--board", board, "--hypervisor", str(hypervisor),
                             "--out", str(itb), str(source)], cwd=machine.ROOT, capture_output=True, text=True, check=False)
    if packed.returncode:
        raise BenchError(f"{source.relative_to(machine.ROOT)} cannot be packed: {packed.stderr.strip()}")
    emulated = machine.Machine(board=board, cores=system["cores"], icount=True)
    with takt_console.Console(emulated.command(hypervisor, itb), out / f"{system['name']}.log", system["seconds"]) as console:
        console.expect(BENCH_END, system["seconds"], "the probe's BENCH-DONE")
        return parse_rows(console.text)


def single(name, unit, value):
    return {"name": name, "unit": unit, "min": value, "mean": value, "p99": value, "max": value, "samples": 1}


def without(row, part):
    """The row less what the plan wants to see apart (its own row is printed as well)."""
    return {**row, **{column: row[column] - part[column] for column in COLUMNS if column != "samples"}}


def measure(plan, args):
    """All rows by name, and the complaints of systems that gave none."""
    out = args.build / "bench"
    out.mkdir(parents=True, exist_ok=True)
    systems = [system for system in plan["system"] if not args.k or re.search(args.k, system["name"])]
    rows, complaints = {}, []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        running = [(system, pool.submit(run_system, system, args.board, args.hypervisor, out)) for system in systems]
        for system, future in running:
            try:
                rows.update(future.result())
            except (BenchError, takt_console.ConsoleError, machine.MachineError, OSError) as error:
                complaints.append(f"system {system['name']}: {error}")
    rows["image_size"] = single("image_size", "bytes", args.hypervisor.stat().st_size)
    rows["code_lines"] = single("code_lines", "lines", code_lines.of_target("arm64"))
    return rows, complaints


def judge(plan, rows, wanted_all):
    """Adds bound and peer to each row of the plan; returns (rows in the plan's order, complaints)."""
    ordered, complaints = [], []
    for planned in plan["row"]:
        row = rows.pop(planned["name"], None)
        if row is None:
            if wanted_all:
                complaints.append(f"row {planned['key']} ({planned['name']}) is missing: no system printed it")
            continue
        for part in planned.get("apart", ()):
            row = without(row, rows[part])
        for column, bound in planned["bounds"].items():
            if row[column] > bound:
                complaints.append(f"row {planned['key']} ({planned['name']}): {column} {row[column]:,} is over its "
                                  f"bound of {bound:,}")
        ordered.append({**row, "bound": planned["bounds"], "best peer": planned["peer"], "key": planned["key"],
                        "figure": planned["figure"]})
    for row in rows.values():
        ordered.append({**row, "bound": None, "best peer": None, "key": "", "figure": row["name"]})
    return ordered, complaints


def compare_paths(plan, ordered, args):
    """Path lengths are exact per compiler; returns (remark, complaints)."""
    path = machine.ROOT / "boards" / args.board / "path-lengths.json"
    recorded = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    exact = {row["name"] for row in plan["row"] if row.get("exact")}
    now = {row["name"]: [row["min"], row["max"]] for row in ordered if row["name"] in exact}
    if args.record:
        recorded[args.compiler] = now
        path.write_text(json.dumps(recorded, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        return f"path lengths recorded for '{args.compiler}' in {path.relative_to(machine.ROOT)}", []
    if args.compiler not in recorded:
        return f"path lengths: compiler '{args.compiler}' is not recorded, so the bounds alone hold", []
    complaints = [f"path {name}: {values[0]} to {values[1]} instructions, recorded are {before[0]} to {before[1]}; "
                  f"explain the change, then record it with 'scripts/bench.py --record'"
                  for name, values in sorted(now.items())
                  if (before := recorded[args.compiler].get(name)) is not None and before != values]
    return f"path lengths: compared with those recorded for '{args.compiler}'", complaints


def table(ordered):
    lines = ["| | figure | unit | min | mean | p99 | max | samples | bound | best peer |", "|---|---|---|--:|--:|--:|--:|--:|---|---|"]
    for row in ordered:
        bound = ", ".join(f"{column} <= {value:,}" for column, value in (row["bound"] or {}).items())
        numbers = " | ".join(f"{row[column]:,}" for column in COLUMNS)
        lines.append(f"| {row['key']} | {row['figure']} | {row['unit']} | {numbers} | {bound} | {row['best peer'] or ''} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--board", default="qemu-arm64")
    parser.add_argument("--hypervisor", required=True, type=pathlib.Path)
    parser.add_argument("--compiler", required=True, help="name and version, for the recorded path lengths")
    parser.add_argument("-k", help="only the systems whose name matches (regular expression)")
    parser.add_argument("--record", action="store_true", help="record the path lengths of this compiler")
    args = parser.parse_args()
    plan = load_plan(args.board)
    rows, complaints = measure(plan, args)
    ordered, missed = judge(plan, rows, wanted_all=not args.k)
    remark, changed = compare_paths(plan, ordered, args)
    complaints += missed + changed
    result = args.build / "bench" / f"{args.board}.json"
    fields = ("name", "unit", *COLUMNS, "bound", "best peer")
    result.write_text(json.dumps([{name: row[name] for name in fields} for row in ordered], indent=1) + "\n", encoding="utf-8")
    print(table(ordered))
    print(remark)
    for complaint in complaints:
        print(f"FAILED: {complaint}")
    print(f"{result}: {len(ordered)} rows, {len(complaints)} complaints")
    return 1 if complaints else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (BenchError, OSError) as failure:
        print(f"bench: {failure}", file=sys.stderr)
        sys.exit(2)

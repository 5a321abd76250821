#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Boots the benchmark systems of a board deterministically and holds their figures against the bounds.

    bench.py [--build DIR] [--board BOARD] --hypervisor takt.Image --least takt.Image --compiler TEXT [-k NAME] [--record]

Reads boards/BOARD/bench.toml; writes DIR/bench/BOARD.json and a table. Exit status 1 where a bound is missed, a row is
missing, or a path has another length than boards/BOARD/path-lengths.json records for this compiler (--record writes it).

A row's bounds are figures in the plan (`bounds`), and of its maximum one of: the sum of constants of the board's data that
admission relies on (`constants`); what the hypervisor's own report promised to the VCPU that printed the row (`computed`, a
column of it).
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
import disk
import machine
import takt_console

BENCH_LINE = re.compile(r"^\[([\w.-]+)\] BENCH (\S+) (\S+) (\d+) (\d+) (\d+) (\d+) (\d+)\s*$", re.MULTILINE)
BENCH_END = r"BENCH-DONE"
REPORT_HEAD = re.compile(r"^\[takt\] +(core +vm +vcpu +.*)$", re.MULTILINE)
REPORT_VCPU = re.compile(r"^\[takt\] +(\d+ +[\w.-]+ +\d+ +[\d.]+% .*)$", re.MULTILINE)
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
    for vm, name, unit, *numbers in BENCH_LINE.findall(text):
        rows[name] = {"name": name, "unit": unit, "vm": vm, **dict(zip(COLUMNS, map(int, numbers)))}
    return rows


def parse_promises(text):
    """What the admission report says of each reserved VCPU: {(vm, vcpu): {column: text}}."""
    head = REPORT_HEAD.search(text)
    if not head:
        return {}
    lines = [dict(zip(head[1].split(), line.split())) for line in REPORT_VCPU.findall(text)]
    return {(line["vm"], line["vcpu"]): line for line in lines}


def board_constant(board, name):
    """A number of the board's data, as admission gets it."""
    path = machine.ROOT / "boards" / board / "board.dts"
    found = re.search(rf"^\s*{re.escape(name)} = <(\d+)>;", path.read_text(encoding="utf-8"), re.MULTILINE)
    if not found:
        raise BenchError(f"{path.relative_to(machine.ROOT)} has no line '{name} = <NUMBER>;'")
    return int(found[1])


def logged(planned_rows, text):
    """The rows that are figures of the hypervisor's own log: the plan's `log` finds the number."""
    found = {planned["name"]: re.search(planned["log"], text) for planned in planned_rows if "log" in planned}
    return {name: {**single(name, "ns", int(match[1])), "vm": ""} for name, match in found.items() if match}


def named(rows, promises, system, planned):
    """A system's rows as the table knows them: what the plan does not name (every probe prints its core's account) is
    SYSTEM.NAME. Each has the promise to vcpu 0 of the VM that printed it."""
    result = {}
    for name, row in rows.items():
        known = name if name in planned else f"{system}.{name}"
        result[known] = {**row, "name": known, "promise": promises.get((row["vm"], "0"), {})}
    return result


def description_of(system, board, out):
    """Where the system's description is: the board's own, or that of the board whose systems it takes (`systems-of`), with
    the plan's `adapt` applied: pairs of a regular expression and what stands there instead."""
    own = pathlib.Path("boards", board, "bench", f"{system['name']}.dts")  # relative: the report prints it
    plan = load_plan(board)
    if "systems-of" not in plan or (machine.ROOT / own).exists():
        return own
    text = (machine.ROOT / "boards" / plan["systems-of"] / "bench" / own.name).read_text(encoding="utf-8")
    for pattern, instead in plan["adapt"]:
        text = re.sub(pattern, instead, text, flags=re.DOTALL)
    adapted = out / board / own.name
    adapted.parent.mkdir(parents=True, exist_ok=True)
    adapted.write_text(text, encoding="utf-8")
    return adapted.resolve()


def run_system(system, board, hypervisor, out):
    """Packs and boots one benchmark system; returns what it printed."""
    source = description_of(system, board, out)
    itb = out / f"{system['name']}.itb"
    packed = subprocess.run([sys.executable, "scripts/mkimage.py", "--board", board, "--arch", machine.board_settings(board)["arch"],
                             "--hypervisor", str(hypervisor),
                             "--out", str(itb.resolve()), str(source)], cwd=machine.ROOT, capture_output=True, text=True, check=False)
    if packed.returncode:
        raise BenchError(f"{source} cannot be packed: {packed.stderr.strip()}")
    icount = machine.board_settings(board)["emulator"] != machine.BOCHS  # whose time is instructions anyway
    emulated = machine.Machine(board=board, cores=system["cores"], cpu=system.get("cpu"), icount=icount)
    medium = disk.medium(emulated, itb.with_suffix(".img"), hypervisor, itb)
    with takt_console.Console(emulated.command(hypervisor, itb, medium), out / f"{system['name']}.log", system["seconds"], emulated.pace) as console:
        if "types" in system:
            console.expect("mode bench", system["seconds"], "the probe to begin")
            console.type_until(system["types"], BENCH_END, system["seconds"], "the probe's BENCH-DONE")
        else:
            console.expect(BENCH_END, system["seconds"], "the probe's BENCH-DONE")
        return console.text


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
    if not systems:
        raise BenchError(f"no system of boards/{args.board}/bench.toml matches '{args.k}'")
    systems.sort(key=lambda system: -system["seconds"])  # what takes longest begins first
    planned = {name for row in plan["row"] for name in (row["name"], *row.get("apart", ()))}
    rows, complaints = {}, []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        running = [(system, pool.submit(run_system, system, args.board, args.hypervisor, out)) for system in systems]
        for system, future in running:
            try:
                text = future.result()
                rows.update(named(parse_rows(text), parse_promises(text), system["name"], planned))
                rows.update(logged(plan["row"], text))
            except (BenchError, takt_console.ConsoleError, machine.MachineError, OSError) as error:
                complaints.append(f"system {system['name']}: {error}")
    rows["image_size"] = single("image_size", "bytes", args.least.stat().st_size)
    rows["image_size_all"] = single("image_size_all", "bytes", args.hypervisor.stat().st_size)
    rows["code_lines"] = single("code_lines", "lines", code_lines.of_target(args.board, least=True))
    rows["code_lines_all"] = single("code_lines_all", "lines", code_lines.of_target(args.board))
    rows["architecture_lines"] = single("architecture_lines", "lines", code_lines.of_architecture(args.board))
    return rows, complaints


def bound_of(planned, row, board):
    """The bounds of a row as {column: value}, and where they come from when the plan does not say them."""
    bounds = planned.get("bounds", {})
    if "constants" in planned:
        names = planned["constants"]
        most, origin = sum(board_constant(board, name) for name in names), f"the board's {' + '.join(names)}"
    elif "computed" in planned:
        column = planned["computed"]
        promised = row.get("promise", {}).get(column, "")
        if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", promised):
            raise BenchError(f"row {row['name']}: the hypervisor's report promises no {column} to the VCPU that printed it")
        most, origin = round(float(promised) * 1000), f"computed {column}"
    else:
        return bounds, ""
    return ({**bounds, "max": most}, origin) if most < bounds.get("max", most + 1) else (bounds, "")


def bound_text(bounds, origin, row=None):
    """The bounds in words; with a row also whether it misses them."""
    texts = [f"{column} <= {value:,}" + (": missed" if row and row[column] > value else "")
             for column, value in bounds.items()]
    return ", ".join(texts) + (f" ({origin})" if origin else "")


def judge(plan, rows, wanted_all, board="qemu-arm64"):
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
        bounds, origin = bound_of(planned, row, board)
        for column, bound in bounds.items():
            if row[column] > bound:
                complaints.append(f"row {planned['key']} ({planned['name']}): {column} {row[column]:,} is over its "
                                  f"bound of {bound:,}" + (f", {origin}" if origin else ""))
        ordered.append({**row, "bound": bounds, "origin": origin, "best peer": planned["peer"], "key": planned["key"],
                        "figure": planned["figure"]})
    for row in rows.values():
        ordered.append({**row, "bound": {}, "origin": "", "best peer": "", "key": "", "figure": row["name"]})
    return ordered, complaints


def compare_paths(plan, ordered, board, compiler, record):
    """Path lengths are exact per compiler; returns (remark, complaints)."""
    path = machine.ROOT / "boards" / board / "path-lengths.json"
    recorded = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    exact = {row["name"] for row in plan["row"] if row.get("exact")}
    now = {row["name"]: [row["min"], row["max"]] for row in ordered if row["name"] in exact}
    if record:
        recorded[compiler] = {**recorded.get(compiler, {}), **now}
        path.write_text(json.dumps(recorded, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        return f"path lengths: {len(now)} recorded for '{compiler}' in {path}", []
    if compiler not in recorded:
        return f"path lengths: compiler '{compiler}' is not recorded, so the bounds alone hold", []
    complaints = [f"path {name}: {least} to {most} instructions, recorded are "
                  f"{' to '.join(map(str, recorded[compiler].get(name, ['none'])))}; explain the change, then record it "
                  f"with 'make bench RECORD=1'"
                  for name, (least, most) in sorted(now.items()) if recorded[compiler].get(name) != [least, most]]
    return f"path lengths: {len(now)} compared with those recorded for '{compiler}'", complaints


def table(ordered):
    lines = ["| | figure | unit | min | mean | p99 | max | samples | bound | best peer |", "|---|---|---|--:|--:|--:|--:|--:|---|---|"]
    for row in ordered:
        bound = bound_text(row["bound"], row["origin"])
        numbers = " | ".join(f"{row[column]:,}" for column in COLUMNS)
        lines.append(f"| {row['key']} | {row['figure']} | {row['unit']} | {numbers} | {bound} | {row['best peer']} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--board", default="qemu-arm64")
    parser.add_argument("--hypervisor", required=True, type=pathlib.Path)
    parser.add_argument("--least", required=True, type=pathlib.Path, help="the image that has no part of scripts/parts.mk")
    parser.add_argument("--compiler", required=True, help="name and version, for the recorded path lengths")
    parser.add_argument("-k", help="only the systems whose name matches (regular expression)")
    parser.add_argument("--record", action="store_true", help="record the path lengths of this compiler")
    args = parser.parse_args()
    plan = load_plan(args.board)
    rows, complaints = measure(plan, args)
    ordered, missed = judge(plan, rows, wanted_all=not args.k, board=args.board)
    remark, changed = compare_paths(plan, ordered, args.board, args.compiler, args.record)
    complaints += missed + changed
    result = args.build / "bench" / f"{args.board}.json"
    fields = ("name", "unit", *COLUMNS, "bound", "origin", "best peer")
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

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes what the last `make bench` measured into README.md, between its two marks.

    readme_numbers.py [--build DIR] [--board BOARD]

Rows and peers are those of boards/BOARD/bench.toml; a row that DIR/bench/BOARD.json lacks shows a dash.
"""
import argparse
import json
import pathlib
import re
import sys
import tomllib

import bench

ROOT = pathlib.Path(__file__).resolve().parent.parent
SECTION = re.compile(r"(<!-- numbers: begin[^\n]*-->\n).*?(<!-- numbers: end -->)", re.DOTALL)


def table(plan, rows):
    lines = ["| | figure | mean | p99 | max | bound | best peer |", "|---|---|--:|--:|--:|---|---|"]
    for planned in plan["row"]:
        row = rows.get(planned["name"])
        numbers = " | ".join(f"{row[column]:,}" if row else "-" for column in ("mean", "p99", "max"))
        bounds = bench.bound_text(row["bound"], row["origin"], row) if row else bench.bound_text(planned.get("bounds", {}), "")
        lines.append(f"| {planned['key']} | {planned['figure']} | {numbers} | {bounds} | {planned['peer']} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--board", default="qemu-arm64")
    args = parser.parse_args()
    measured = json.loads((args.build / "bench" / f"{args.board}.json").read_text(encoding="utf-8"))
    with open(ROOT / "boards" / args.board / "bench.toml", "rb") as file:
        plan = tomllib.load(file)
    readme = ROOT / "README.md"
    new = table(plan, {row["name"]: row for row in measured})
    text, count = SECTION.subn(lambda match: match.group(1) + new + match.group(2), readme.read_text(encoding="utf-8"))
    if count != 1:
        print("README.md: the marks `numbers: begin` and `numbers: end` are missing or double", file=sys.stderr)
        return 1
    readme.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

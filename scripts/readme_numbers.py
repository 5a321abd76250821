#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes what the last `make bench` measured into README.md, between the two marks of its board.

    readme_numbers.py [--build DIR] [--board BOARD]

Rows and peers are those of boards/BOARD/bench.toml; when DIR/bench/BOARD.json lacks one, as after `make bench K=...`, nothing
is written.
"""
import argparse
import json
import pathlib
import re
import sys
import tomllib

import bench

ROOT = pathlib.Path(__file__).resolve().parent.parent


def put(text, board, new):
    """The text with this table between its board's marks; None: they are missing or double."""
    section = re.compile(rf"(<!-- numbers of {re.escape(board)}: begin[^\n]*-->\n).*?(<!-- numbers of {re.escape(board)}: end -->)",
                         re.DOTALL)
    text, count = section.subn(lambda match: match.group(1) + new + match.group(2), text)
    return text if count == 1 else None


def missing(plan, rows):
    return [planned["name"] for planned in plan["row"] if planned["name"] not in rows]


def table(plan, rows):
    lines = ["| | figure | mean | p99 | max | bound | best peer |", "|---|---|--:|--:|--:|---|---|"]
    for planned in plan["row"]:
        row = rows[planned["name"]]
        numbers = " | ".join(f"{row[column]:,}" for column in ("mean", "p99", "max"))
        bounds = bench.bound_text(row["bound"], row["origin"], row)
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
    readme, rows = ROOT / "README.md", {row["name"]: row for row in measured}
    if missing(plan, rows):
        print(f"the last 'make bench' did not measure {', '.join(missing(plan, rows))}; run it without K", file=sys.stderr)
        return 1
    text = put(readme.read_text(encoding="utf-8"), args.board, table(plan, rows))
    if text is None:
        print(f"README.md: the marks `numbers of {args.board}: begin` and `: end` are missing or double", file=sys.stderr)
        return 1
    readme.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts the code lines of the hypervisor for one board: neither blank nor comment.

    code_lines.py [BOARD]      prints each room's lines, the sum, and how many of them serve this architecture alone

Of drivers/ only those count that the board's DRIVERS names, and the headers that belong to no single one of them; where it
names none, all of them are linked.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SUFFIXES = {".c", ".h", ".S", ".ld"}
# A string, a character, or a comment: whichever begins first.
TOKEN = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|//[^\n]*|/\*.*?\*/', re.DOTALL)
# What stands for a part of scripts/parts.mk, which nests nothing.
OF_PART = re.compile(r"^#if TAKT_\w+\n(?:(?!#).*\n)*?#(?:else|endif)\n", re.MULTILINE)
# A line of a board.mk, after those that end in a backslash have been joined.
SETTING = re.compile(r"^(\w+) *(\+?)[:?]?= *([^#\n]*)|^include +(\S+)", re.MULTILINE)


def in_text(text, least=False):
    """`least`: without what stands for a part that can be left out, from its #if to its #else or #endif."""
    bare = TOKEN.sub(lambda match: "\n" * match.group().count("\n") if match.group().startswith("/") else "x", text)
    if least:
        bare = OF_PART.sub("", bare)
    return sum(1 for line in bare.splitlines() if line.strip())


def settings(path):
    """{variable: words} of a board.mk and of what it includes; it may use no other feature of make."""
    found = {}
    for name, more, value, included in SETTING.findall(path.read_text(encoding="utf-8").replace("\\\n", " ")):
        if included:
            found |= settings(ROOT / included)
        else:
            found[name] = (found.get(name, []) if more else []) + value.split()
    return found


def linked(path, drivers, sources):
    """Whether a file of drivers/ is in the image."""
    return not drivers or path.stem in drivers or path.stem not in sources


def architecture(board):
    [arch] = settings(ROOT / "boards" / board / "board.mk")["ARCH"]
    return arch


def files(board):
    """{folder: paths} of what a board's image is made of."""
    arch = architecture(board)
    drivers = {pathlib.PurePath(name).stem for name in settings(ROOT / "boards" / board / "board.mk").get("DRIVERS", [])}
    folders = [f"arch/{arch}", "kernel", "sched", "timer", "drivers", "iommu", "include"]
    found = {folder: [path for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES] for folder in folders}
    sources = {path.stem for path in found["drivers"] if path.suffix != ".h"}
    found["drivers"] = [path for path in found["drivers"] if linked(path, drivers, sources)]
    found["linker"] = [path for path in [ROOT / "linker" / f"{arch}.ld"] if path.exists()]
    return found


def lines(paths, least=False):
    return sum(in_text(path.read_text(encoding="utf-8"), least) for path in paths)


def rooms(board):
    return {folder: lines(paths) for folder, paths in files(board).items()}


def paths_of(board):
    return {path for paths in files(board).values() for path in paths}


def of_architecture(board):
    """What a board's architecture adds: the lines that no board of another one has."""
    boards = [path.parent.name for path in (ROOT / "boards").glob("*/board.mk")]
    others = [paths_of(other) for other in boards if architecture(other) != architecture(board)]
    return lines(paths_of(board).difference(*others))


def of_parts():
    """The files, without their suffixes, of what a hypervisor can be built without."""
    return {str(pathlib.PurePath(name).with_suffix("")) for part in settings(ROOT / "scripts" / "parts.mk")["PART_NAMES"]
            for name in settings(ROOT / "scripts" / "parts.mk").get(f"PART_{part}", [])}


def of_target(board, least=False):
    """All lines of a board's image; with `least` those of the one that has no part which can be left out."""
    left_out = of_parts() if least else set()
    return lines((path for path in paths_of(board) if str(path.relative_to(ROOT).with_suffix("")) not in left_out), least)


def main():
    board = sys.argv[1] if len(sys.argv) > 1 else "qemu-arm64"
    try:
        counted = rooms(board)
    except FileNotFoundError as error:
        print(f"code_lines: {error.filename} is missing; give the name of a board", file=sys.stderr)
        return 2
    for folder, lines in counted.items():
        print(f"{lines:7} {folder}")
    print(f"{sum(counted.values()):7} code lines for {board}, {of_architecture(board)} of them for its architecture alone, "
          f"{of_target(board, least=True)} without the parts that can be left out")
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts the code lines of the hypervisor for one architecture: neither blank nor comment.

    code_lines.py [ARCH]      prints each room's lines and the sum
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SUFFIXES = {".c", ".h", ".S", ".ld"}
# A string, a character, or a comment: whichever begins first.
TOKEN = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|//[^\n]*|/\*.*?\*/', re.DOTALL)


def in_text(text):
    bare = TOKEN.sub(lambda match: "\n" * match.group().count("\n") if match.group().startswith("/") else "x", text)
    return sum(1 for line in bare.splitlines() if line.strip())


def rooms(arch):
    folders = [f"arch/{arch}", "kernel", "sched", "timer", "drivers", "iommu", "include"]
    files = {folder: [path for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES] for folder in folders}
    files["linker"] = [ROOT / "linker" / f"{arch}.ld"]
    return {folder: sum(in_text(path.read_text(encoding="utf-8")) for path in paths if path.exists())
            for folder, paths in files.items()}


def of_target(arch):
    return sum(rooms(arch).values())


def main():
    arch = sys.argv[1] if len(sys.argv) > 1 else "arm64"
    for folder, lines in rooms(arch).items():
        print(f"{lines:7} {folder}")
    print(f"{of_target(arch):7} code lines for {arch}")


if __name__ == "__main__":
    main()

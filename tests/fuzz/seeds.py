#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the generated fuzz inputs: DIR/NAME/* for each tests/fuzz/seeds_NAME.py, whose seeds() gives {file: bytes}.

    seeds.py DIR
"""
import importlib
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent


def main():
    sys.path.insert(0, str(HERE))
    for script in sorted(HERE.glob("seeds_*.py")):
        folder = pathlib.Path(sys.argv[1], script.stem.removeprefix("seeds_"))
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in importlib.import_module(script.stem).seeds().items():
            (folder / name).write_bytes(data)


if __name__ == "__main__":
    main()

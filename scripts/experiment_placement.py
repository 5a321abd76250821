#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs experiment 1 of docs/experiments.md: who goes to which core, what share of random sets finds room, and whether anybody
in admitted ones misses a deadline.

    experiment_placement.py --simulator build/host/takt-sim --board board.dts [--campaign N] --out DIR [OPTION of takt-sim placement ...]

Prints what takt-sim prints, and writes DIR/placement.json. The campaign of that many random systems (0: none) goes on where a
run of the same takt-sim that was stopped had come to. Exit status 1 where a bound is not held.
"""
import argparse
import hashlib
import json
import pathlib
import subprocess
import sys

BOUND = 0.99                          # of sets that the whole chain accepts, at these loads, without overheads:
LOADS = (0.90, 0.95)
SHAPE = {"cores": 4, "vcpus": 12}     # the bound is of sets like these
SEED = 20
FAULTS = ("misses", "late", "starved", "overruns", "order", "timer", "twice", "books")


class PlacementError(Exception):
    """What is wrong and what to do."""


def run(command, **options):
    """Its exit status is 0 or 1, which its results say, too."""
    done = subprocess.run(list(map(str, command)), check=False, **options)
    if done.returncode not in (0, 1):
        raise PlacementError("takt-sim could not do that; it says why above")
    return done


def campaign(simulator, sets, out):
    """What takt-sim counted in that many admitted sets."""
    path = out / f"campaign-{sets}-{hashlib.sha256(simulator.read_bytes()).hexdigest()[:12]}.txt"
    print(f"{sets:,} random systems (seed {SEED}), on all processors; a run that is stopped goes on later", flush=True)
    return json.loads(run([simulator, "campaign", "--sets", sets, "--seed", SEED, "--out", path, "--json"], stdout=subprocess.PIPE).stdout)


def judge(told):
    """What is over a bound, in words."""
    complaints = []
    if all(told[name] == value for name, value in SHAPE.items()):
        complaints += [f"of random sets at {point['utilisation']:.2f} the whole chain accepts {point['full chain']:.3f} < {BOUND}"
                       for point in told["curves"][0]["points"] if point["utilisation"] in LOADS and point["full chain"] < BOUND]
    complaints += [f"{scene['name']}: by utilisation core {arrival['core']} does not keep a newcomer"
                   for scene in told["scenes"] for arrival in scene["utilisation"] if not arrival["admitted"]]
    counted = told["campaign"] or {}
    complaints += [f"{name} {counted[name]:,} > 0 in {counted['sets']:,} admitted sets; the first is set {counted['first_bad']} of seed {SEED}"
                   for name in FAULTS if counted.get(name)]
    return complaints


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--simulator", required=True, type=pathlib.Path)
    parser.add_argument("--board", required=True, type=pathlib.Path)
    parser.add_argument("--campaign", type=int, metavar="SETS", default=1_000_000, help="random systems in which misses are counted (default: %(default)s)")
    parser.add_argument("--out", required=True, type=pathlib.Path)
    args, others = parser.parse_known_args()
    args.out.mkdir(parents=True, exist_ok=True)
    scratch, path = args.out / "placement.part.json", args.out / "placement.json"
    run([args.simulator, "placement", "--board", args.board, "--out", scratch, *others])
    told = json.loads(scratch.read_text(encoding="ascii")) | {"experiment": "placement", "bound": BOUND}
    scratch.unlink()
    told["campaign"] = campaign(args.simulator, args.campaign, args.out) if args.campaign else None
    told["complaints"] = judge(told)
    path.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    if told["campaign"]:
        counts = ", ".join(f"{name} {told['campaign'][name]:,}" for name in ("split", "promises", *FAULTS))
        print(f"{told['campaign']['sets']:,} admitted sets: {counts}")
    for complaint in told["complaints"]:
        print(f"FAILED: {complaint}")
    print(f"{path}: {len(told['complaints'])} complaints")
    return 1 if told["complaints"] else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (PlacementError, OSError) as failure:
        print(f"experiments: {failure}", file=sys.stderr)
        sys.exit(2)

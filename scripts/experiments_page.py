#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes what the experiments of docs/experiments.md gave as one HTML page: tables, requested against actual sleeps, bounds.

    experiments_page.py [--out build/experiments] [--hypervisor takt.Image] [--document docs/experiments.md]

Reads placement.json, sleep.json and attack.json there, as far as they exist, and writes experiments.html beside them, without
anything from outside. scripts/report_system.py puts the same sections into its report. --document also puts the tables of
sleep and attack between the marks that the document has for them. Exit status 1 where Takt is over a bound or was not
measured, 2 where a file cannot be read.
"""
import argparse
import hashlib
import json
import pathlib
import re
import sys

import chart
import page

NAMES = ("placement", "sleep", "attack")
FIGURES = ("samples", "mean", "p50", "p99", "max")
WORDS = {"takt": "Takt", "bare": "the bare machine"}  # of hypervisors
STRATEGIES = ("count", "least utilised", "first-fit decreasing", "full chain")
CAMPAIGN = ("sets", "split", "moves", "activations", "promises", "misses", "late", "starved", "overruns", "order", "timer", "twice", "books")


class PageError(Exception):
    """What is wrong and what to do."""


def load(folder, name):
    """An experiment's results, or None: it has not run."""
    path = folder / f"{name}.json"
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        if told["experiment"] != name:
            raise KeyError("experiment")
        return told
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as wrong:
        raise PageError(f"{path} holds no results that this version can read; run 'make experiment-{name}' again") from wrong


def called(leg):
    """Its hypervisor's name for readers: xen-credit-tuned is `Xen, credit, tuned`."""
    return WORDS.get(leg["hypervisor"], leg["hypervisor"].replace("xen-", "Xen, ").replace("-", ", "))


# ---- sleep and attack ------------------------------------------------------------------------------------------------
def verdict_of(leg):
    if leg["hypervisor"] == "bare":
        return "-"
    if leg["over"]:
        return "over: " + ", ".join(leg["over"])
    return "within: " + ", ".join(f"{figure} {most:,}" for figure, most in leg["bounds"].items())


def row_of(leg):
    head = [leg["guest"], called(leg)]
    if "mean" not in leg:
        return [*head, *["-"] * len(FIGURES), "-", ("failed: " + leg["failed"] if "failed" in leg else "skipped: " + leg["skipped"]).splitlines()[0]]
    counts = ", ".join(f"{name} {count:,}" for name, count in leg["counts"].items())
    return [*head, *(f"{leg[figure]:,}" for figure in FIGURES), counts or "-", verdict_of(leg)]


def figures_of(guest, legs):
    """The scatters of one guest on all hypervisors, and every sleep as text."""
    measured = [leg for leg in legs if leg["guest"] == guest and "mean" in leg]
    if not measured:
        return []
    names = [called(leg) for leg in measured]
    pairs = [leg["requested-actual-ns"] for leg in measured]
    actual = [(name, [(asked / 1e6, got / 1e6) for asked, got in own]) for name, own in zip(names, pairs)]
    late = [(name, [(asked / 1e6, max(got - asked, 1) / 1e3) for asked, got in own]) for name, own in zip(names, pairs)]
    most = next((leg["bounds"].get("max") for leg in measured if leg["hypervisor"] == "takt"), None)
    texts = [page.subsection(name, page.preformatted("\n".join(f"{asked} {got}" for asked, got in own))) for name, own in zip(names, pairs)]
    return [page.subsection(guest, chart.plot(actual, "asked for, ms", "slept, ms", f"{guest}: sleeps as asked for and as slept"),
                            chart.plot(late, "asked for, ms", "late, us, by powers of ten", f"{guest}: how much later than asked for",
                                       tenfold=True, bounds=[] if most is None else [(f"Takt's bound, {most / 1e3:,g} us", most / 1e3)]),
                            page.folded("Every sleep: asked for and slept, ns", *texts))]


def compared(told, hypervisor):
    """The section of an experiment with legs. `hypervisor`: the SHA-256 of the image that is there now, or None."""
    legs = told["legs"]
    parts = [page.verdict(False, f"Takt is over a bound, or a leg failed: {'; '.join(told['complaints'])}")] if told["complaints"] else []
    if hypervisor and told["hypervisor-sha256"] != hypervisor:
        parts.append(page.paragraph(f"These are figures of another hypervisor than the one that is built now; 'make experiment-{told['experiment']}' runs them again."))
    measured = sum("mean" in leg for leg in legs)
    versions = sorted({leg["version"] for leg in legs if leg.get("options") and leg.get("version")})
    parts.append(page.paragraph(f"{measured} of {len(legs)} legs measured." + (f" Xen is {', '.join(versions)} of Debian." if versions else "")))
    head = [told["guests-are"], "hypervisor", *FIGURES, "other rows, max", "bounds of Takt"]
    parts.append(page.table(head, map(row_of, legs), numbers=set(range(2, 2 + len(FIGURES))),
                            caption="How late sleeps ended, ns, of which each is an instruction or waiting. Bounds are Takt's; what others are over is said of them, too."))
    for guest in dict.fromkeys(leg["guest"] for leg in legs):
        parts += figures_of(guest, legs)
    return page.section(f"{told['experiment'].capitalize()}: {told['title']}", *parts)


# ---- placement -------------------------------------------------------------------------------------------------------
def scene_row(scene, rule):
    return [scene["name"], f"by {rule}", " ".join(f"{arrival['core']}{'' if arrival['admitted'] else '!'}" for arrival in scene[rule]),
            f"{max(arrival['utilisation'] for arrival in scene[rule]):.1%}", scene["about"]]


def curve(told, points, name):
    lines = [(strategy, [(point["utilisation"], point[strategy]) for point in points]) for strategy in STRATEGIES]
    rows = [[f"{point['utilisation']:.2f}", *(f"{point[strategy]:.3f}" for strategy in STRATEGIES)] for point in points]
    caption = f"Share accepted of {told['sets']:,} random sets a point (seed {told['seed']}), {told['vcpus']} VCPUs on {told['cores']} cores, {name}"
    return page.subsection(f"Random sets, {name}", page.table(["load per core", *STRATEGIES], rows, caption=caption, numbers=set(range(1, 5))),
                           chart.plot(lines, "load per core", "share accepted", caption, joined=True, bounds=[("bound at 0.90 and 0.95", told["bound"])]))


def placed(told):
    parts = [page.verdict(False, "; ".join(told["complaints"]))] if told["complaints"] else []
    parts.append(page.table(["", "rule", "core of each newcomer", "most on one of these cores", "what comes where"],
                            [scene_row(scene, rule) for scene in told["scenes"] for rule in ("count", "utilisation")],
                            caption="!: the core cannot keep it, and by count no other is asked.", numbers={3}))
    for points in told["curves"]:
        costs = points["overhead_ns"]
        parts.append(curve(told, points["points"], f"measured overheads of {costs:,} ns on each budget" if costs else "no overheads"))
    if told.get("campaign"):
        text = "Admitted random systems, played on the scheduler itself with guests that wait and wake at its boundaries (docs/simulation.md)."
        parts.append(page.subsection("Misses", page.paragraph(text), page.table(["", "count"], [[name, f"{told['campaign'][name]:,}"] for name in CAMPAIGN], numbers={1})))
    return page.section("Placement: who goes to which core, and what share of random sets finds room", *parts)


# ---- the document's tables -------------------------------------------------------------------------------------------
def misses_of(leg):
    """Of each VM that counts them; its name only where there are several."""
    counts = {name.partition(".")[0]: count for name, count in leg["counts"].items() if name.endswith(".periodic_misses")}
    return ", ".join(f"{count:,}" if len(counts) == 1 else f"{vm} {count:,}" for vm, count in counts.items())


def lines_of(told):
    """Markdown: a line for each leg that was measured."""
    measured = [leg for leg in told["legs"] if "mean" in leg]
    if not any(leg["counts"] for leg in measured):
        rows = [[leg["guest"], called(leg), *(f"{leg[figure]:,}" for figure in FIGURES)] for leg in measured]
        return [f"| {told['guests-are']} | hypervisor | samples | mean | p50 | p99 | max |", "|---|---|--:|--:|--:|--:|--:|", *markdown(rows)]
    rows = []
    for leg in measured:
        start = [f"{count:,}" for name, count in leg["counts"].items() if name.endswith(".periodic_release")]
        rows.append([leg["guest"], called(leg), *(f"{leg[figure]:,}" for figure in ("mean", "p99", "max")), *(start or ["-"]), misses_of(leg)])
    return [f"| {told['guests-are']} | hypervisor | sleeps: mean | p99 | max | periods: latest start | misses |", "|---|---|--:|--:|--:|--:|--:|",
            *markdown(rows)]


def markdown(rows):
    return ["| " + " | ".join(row) + " |" for row in rows]


def write_document(path, folder):
    text = path.read_text(encoding="utf-8")
    for name in NAMES[1:]:
        told = load(folder, name)
        marks = re.compile(rf"(<!-- figures of {name}: begin[^>]*-->\n).*?(<!-- figures of {name}: end -->)", re.DOTALL)
        if told and not marks.search(text):
            raise PageError(f"{path} has no lines '<!-- figures of {name}: begin -->' and '... end -->' for them")
        if told:
            text = marks.sub(lambda found, lines=lines_of(told): found[1] + "\n".join(lines) + "\n" + found[2], text)
    path.write_text(text, encoding="utf-8")
    print(f"the tables: {path}")


# ---- the page --------------------------------------------------------------------------------------------------------
def sections(folder, hypervisor=None):
    """(what it comes to, as a page's verdict; names of what has not run; the sections)."""
    tolds, missing, parts = [], [], []
    digest = hashlib.sha256(hypervisor.read_bytes()).hexdigest() if hypervisor else None
    for name in NAMES:
        told = load(folder, name)
        if told is None:
            missing.append(name)
            continue
        tolds.append(told)
        parts.append(placed(told) if name == "placement" else compared(told, digest))
    return verdict(tolds), missing, parts


def verdict(tolds):
    """(whether no bound was missed, the sentence, which does not say more than was measured)."""
    legs = [leg for told in tolds for leg in told.get("legs", []) if leg["hypervisor"] == "takt"]
    measured = sum("mean" in leg for leg in legs)
    placement = ["placement"] if any(told["experiment"] == "placement" for told in tolds) else []
    what = " and ".join([*placement, *([f"{measured} of {len(legs)} legs on Takt"] if legs else [])])
    if any(told["complaints"] for told in tolds):
        return False, f"Not within all bounds; measured: {what}."
    return (True, f"Within each bound; measured: {what}.") if measured or placement else (False, "Nothing of Takt was measured.")


def not_run(missing):
    return page.paragraph("Not run: " + ", ".join(f"'make experiment-{name}'" for name in missing) + ".")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="build/experiments", type=pathlib.Path, help="where the results are (default: %(default)s)")
    parser.add_argument("--hypervisor", type=pathlib.Path, help="takt.Image that is built now: tells results of another one")
    parser.add_argument("--document", type=pathlib.Path, help="whose tables are written anew, too")
    args = parser.parse_args()
    (good, said), missing, parts = sections(args.out, args.hypervisor)
    if not parts:
        raise PageError(f"{args.out} has no results; run 'make experiments', or one of its parts: {', '.join('make experiment-' + name for name in missing)}")
    path = args.out / "experiments.html"
    path.write_text(page.document("Takt: experiments", [
        page.verdict(good, said),
        page.paragraph("What is asked, how it is measured and what it says of both sides: docs/experiments.md. Without the package of Xen its lines are skipped."),
        *([not_run(missing)] if missing else []), *parts]), encoding="utf-8")
    print(f"the page: {path}")
    if args.document:
        write_document(args.document, args.out)
    return 0 if good else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (PageError, OSError) as failure:
        print(f"experiments: {failure}", file=sys.stderr)
        sys.exit(2)

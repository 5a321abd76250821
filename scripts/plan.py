#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws what takt-plan computed as one page: verdicts, cores, VCPUs, who runs when at first, memory.

    plan.py PLAN.json PAGE.html

The page has nothing from outside and needs no scripts. `make plan` calls it; docs/planner.md says what it shows.
"""
import argparse
import json
import pathlib
import sys

import gantt
import page

CORES_OPEN = 8      # charts of more cores are folded
RELEASES_MAX = 200  # marks of one core's chart
KINDS = ("reservation", "best effort", "interrupts", "first piece", "second piece")
HOW = {"fixed": "as asked", "least-used": "least used core", "best-fit": "best fit", "split": "split over two cores",
       "repacked": "all repacked", "fewest": "fewest VCPUs", "best-effort": "best effort", "refused": "refused"}


# ---- words -----------------------------------------------------------------------------------------------------------
def us(nanoseconds):
    """Nanoseconds as microseconds, as exact as they are."""
    return f"{nanoseconds / 1000:,.3f}".rstrip("0").rstrip(".")


def percent(share):
    return f"{100 * share:.2f} %"


def length(nanoseconds):
    return f"{us(nanoseconds)} us" if nanoseconds < 10_000_000 else f"{nanoseconds / 1e6:,.6g} ms"


def mebibytes(count):
    return f"{count / (1 << 20):,.0f}"


def verdict_of(plan):
    refused = sum(vcpu["step"] == "refused" for vcpu in plan["vcpus"])
    others = plan["mistake_count"] - refused
    if plan["admitted"]:
        return (f"Admitted: all {len(plan['vcpus'])} VCPUs get what they ask for." if plan["bounds_hold"] else
                "Admitted, but no bound holds: a core's threads slow each other as they like (smt).")
    words = [f"{refused} of {len(plan['vcpus'])} VCPUs find no place"] * (refused > 0)
    words += [f"{others} mistake{'s' if others > 1 else ''} in the description"] * (others > 0)
    return f"Refused: {' and '.join(words)}."


# ---- tables ----------------------------------------------------------------------------------------------------------
def mistakes(plan):
    rows = [[m["place"], m["wrong"], m["remedy"]] for m in plan["mistakes"]]
    more = plan["mistake_count"] - len(rows)
    return page.section("What is wrong", page.table(["place", "what is wrong", "what would be right"], rows),
                        *([page.paragraph(f"and {more} more")] if more else []))


def refusal_row(vcpu):
    verdict, cause = vcpu.get("verdict", {}), vcpu["refusal"]["wrong"]
    at = verdict.get("at_ns")
    return [vcpu["name"], "-" if vcpu["closest_core"] is None else vcpu["closest_core"], cause,
            us(at) if at else "-", us(verdict["demand_ns"]) if at else "-", us(verdict["excess_ns"]) if at else "-",
            us(vcpu["largest_budget_ns"]) if vcpu.get("largest_budget_ns") else "none",
            us(vcpu["smallest_period_ns"]) if vcpu.get("smallest_period_ns") else "none"]


def refusals(vcpus):
    return page.section(
        "Refused, and what would fit",
        page.paragraph("The instant is one before which more is due than the core can supply, were all released together at 0; "
                       "the largest budget is for this period, the smallest period for this budget, on the best core allowed."),
        page.table(["VCPU", "closest core", "why", "instant (us)", "due by then (us)", "too much (us)", "largest budget (us)",
                    "smallest period (us)"], map(refusal_row, vcpus), numbers=range(3, 8)))


def cores(plan):
    rows = []
    for core in plan["cores"]:
        names = [vcpu["name"] for vcpu in plan["vcpus"] if core["core"] in homes(vcpu)]
        rows.append([core["core"], page.share_bar(core["utilisation"], percent(core["utilisation"])),
                     percent(core["interrupts"]), ", ".join(names) or "nobody"])
    return page.section("Cores", page.table(
        ["core", "promised", "of that interrupts", "VCPUs"], rows, numbers={2},
        caption="What reservations and interrupts may use; the rest is for best effort. Budgets have the overhead inside."))


def vcpu_row(vcpu, plan):
    where = " then ".join(map(str, homes(vcpu))) or "-"
    if "budget_us" not in vcpu:
        return [vcpu["name"], where, HOW[vcpu["step"]], f"weight {vcpu['weight']}", "", "", "", "", "", ""]
    blackout = f"{vcpu['blackout_us']:,}" if "blackout_us" in vcpu else ("-" if plan["bounds_hold"] else "withdrawn")
    return [vcpu["name"], where, HOW[vcpu["step"]], *(f"{vcpu[key]:,}" for key in ("budget_us", "period_us", "deadline_us")),
            percent(vcpu["utilisation"]), blackout, *(us(vcpu[key]) if key in vcpu else "-" for key in ("latency_ns", "always_ns"))]


def piece_rows(vcpus):
    return [[vcpu["name"], name, piece["core"], *(us(piece[key]) for key in ("budget_ns", "deadline_ns", "period_ns"))]
            for vcpu in vcpus for name, piece in zip(("first", "then"), vcpu.get("pieces", []))]


def admission(plan):
    parts = [page.table(["VCPU", "core", "placed", "budget (us)", "period (us)", "deadline (us)", "uses", "blackout (us)",
                         "latency (us)", "always (us)"],
                        [vcpu_row(vcpu, plan) for vcpu in plan["vcpus"]], numbers=range(3, 10)),
             page.paragraph("Blackout: the longest that a VCPU which keeps wanting is without supply. Latency: the longest from a wake-up "
                            "with budget left to the guest's interrupt vector; always: whatever budget is left. Uses: budget and "
                            f"overhead ({us(plan['overhead_ns'])} us) of the period.", quiet=True)]
    pieces = piece_rows(plan["vcpus"])
    if pieces:
        parts.append(page.table(["VCPU", "piece", "core", "budget (us)", "deadline (us)", "period (us)"], pieces, numbers=range(2, 6),
                                caption="Split over two cores: the second piece is released at the deadline of the first."))
    return page.section("VCPUs", *parts)


def memory(plan):
    have, given = plan["memory"]["board_bytes"], plan["memory"]["guests_bytes"]
    rows = []
    for vm in plan["memory"]["vms"]:
        blocks = [f"{block['base']:#x}, {mebibytes(block['bytes'])} MiB" for block in vm["blocks"]]
        rows.append([vm["vm"], "; ".join(blocks), *("-" if vm[key] is None else f"{vm[key]:#x}"
                                                    for key in ("kernel", "entry", "initrd", "description"))])
    return page.section(
        "Memory",
        page.share_bar(given / have if have else 0, f"guests have {mebibytes(given)} of the board's {mebibytes(have)} MiB for them"),
        page.table(["VM", "memory, as the VM sees it", "kernel", "entry", "initrd", "description"], rows))


# ---- who runs when ---------------------------------------------------------------------------------------------------
def homes(vcpu):
    """The cores that it runs on."""
    return [piece["core"] for piece in vcpu["pieces"]] if "pieces" in vcpu else [vcpu["core"]] * (vcpu["core"] is not None)


def kind_of(vcpu, core):
    if "budget_us" not in vcpu:
        return "best effort"
    return "reservation" if "pieces" not in vcpu else "first piece" if homes(vcpu)[0] == core else "second piece"


def releases(vcpu, core, end):
    """When its activations are released there, and by when they are due, of a VCPU that keeps wanting."""
    if "budget_us" not in vcpu:
        return []
    pieces = vcpu.get("pieces", [vcpu["admitted_as"]])
    index = homes(vcpu).index(core)
    first, task = (pieces[0]["deadline_ns"] if index else 0), pieces[index]
    return [(at, at + task["deadline_ns"]) for at in range(first, end, task["period_ns"])]


def supply_rows(lanes, bars, end):
    """What the chart shows as text: a row for each lane."""
    rows = []
    for who, name in lanes.items():
        own = [(begin, stop) for index, begin, stop in bars if index == who]
        gaps = [later[0] - earlier[1] for earlier, later in zip(own, own[1:])]
        rows.append([name, len(own), us(sum(stop - begin for begin, stop in own)),
                     percent(sum(stop - begin for begin, stop in own) / end), us(own[0][0]) if own else "never",
                     us(max(gaps)) if gaps else "-"])
    return page.table(["", "turns", "runs (us)", "of the time", "first at (us)", "longest gap (us)"], rows, numbers=range(1, 6))


def chart(core, plan):
    vcpus, bars, end = plan["vcpus"], core["chart"]["bars"], core["chart"]["end_ns"]
    lanes = {index: vcpu["name"] for index, vcpu in enumerate(vcpus) if core["core"] in homes(vcpu)}
    marks = [(index, at, due) for index in lanes for at, due in releases(vcpus[index], core["core"], end)]
    if core["sources"]:
        lanes[-1] = "interrupts"
    unit, scale = ("us", 1e3) if end < 100_000_000 else ("ms", 1e6)
    order = list(lanes)
    drawn = [(order.index(who), begin / scale, stop / scale, kind_of(vcpus[who], core["core"]) if who >= 0 else "interrupts",
              f"{lanes[who]}: {us(begin)} to {us(stop)} us, {us(stop - begin)} us") for who, begin, stop in bars]
    if len(marks) <= RELEASES_MAX:
        drawn += [(order.index(who), at / scale, at / scale, "", f"{lanes[who]}: released at {us(at)} us, due by {us(due)} us")
                  for who, at, due in marks]
    period = core["hyperperiod_ns"]
    shown = (f"the whole hyperperiod, {length(end)}" if period == end else
             f"the first {length(end)} of a hyperperiod of {length(period)}" if period else f"the first {length(end)}")
    title = f"Core {core['core']}: {shown}"
    return title, [page.Html('<div class="wide">' + gantt.svg([lanes[who] for who in order], drawn, 0, end / scale, unit,
                                                              f"{title}; the table below says the same", KINDS) + "</div>"), supply_rows(lanes, bars, end)]


def charts(plan):
    used = [core for core in plan["cores"] if core["chart"]["end_ns"] > 0 and core["chart"]["bars"]]
    parts = [page.paragraph("All released together at 0, all always wanting, every interrupt as often as it may come: the "
                            "hypervisor's own dispatcher, played. A tall line is a release.")]
    for core in used:
        title, drawn = chart(core, plan)
        parts.append(page.subsection(title, *drawn) if len(used) <= CORES_OPEN else page.folded(title, *drawn))
    return page.section("Who runs when", *parts)


# ---- the page --------------------------------------------------------------------------------------------------------
def document(plan):
    refused = [vcpu for vcpu in plan["vcpus"] if vcpu["step"] == "refused"]
    parts = [page.verdict(plan["admitted"], verdict_of(plan)),
             page.paragraph(f"Planned for {plan['machine']}: {len(plan['cores'])} cores, counter of {plan['hz']:,} Hz.", quiet=True)]
    parts += [mistakes(plan)] * bool(plan["mistakes"]) + [refusals(refused)] * bool(refused)
    if plan["vcpus"]:
        parts += [cores(plan), admission(plan), charts(plan)]
    if plan["memory"]:
        parts.append(memory(plan))
    return page.document(f"Plan of {plan['source']}", parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("plan", type=pathlib.Path)
    parser.add_argument("page", type=pathlib.Path)
    args = parser.parse_args()
    plan = json.loads(args.plan.read_text(encoding="utf-8"))
    if plan.get("takt_plan") != 1:
        raise ValueError(f"{args.plan} is no plan of this version; write it with takt-plan --json")
    args.page.write_text(document(plan), encoding="utf-8")
    print(f"the page: {args.page}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, ValueError) as failure:
        print(f"plan: {failure}", file=sys.stderr)
        sys.exit(2)

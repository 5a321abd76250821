# SPDX-License-Identifier: Apache-2.0
"""takt-plan and its page: what a plan says is true of it, and whatever stands in a table is told and harms nothing.

All runs are of the program under address and undefined-behaviour sanitizers."""
import json
import math
import os
import pathlib
import random
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

import gantt
import page
import plan

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("TAKT_BUILD", ROOT / "build")).resolve()
OVERHEAD_NS = 3000
HZ = 1_000_000_000  # a tick is a nanosecond: what JSON says is exact

GOOD = """name,budget-us,period-us,deadline-us,core,vm,weight
motor,200,1000,500,1,,
linux0,4000,10000,,,linux,
linux1,4000,10000,10000,1,linux,
batch,,,,auto,,200
idle,,,,,,
"""
FULL = "name,budget-us,period-us,deadline-us,core\na,500,1000,1000,0\nb,600,1000,800,0\n"


def run(*arguments):
    command = [BUILD / "asan/takt-plan", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=60, check=False)
    assert "Sanitizer" not in result.stderr and "runtime error" not in result.stderr, result.stderr
    return result


@pytest.fixture(name="table")
def table_fixture(tmp_path):
    """Plans the text or bytes of a table; returns its CompletedProcess. `as_json`: its standard output as data."""
    def make(text, *options, as_json=False):
        path = tmp_path / "t.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        result = run("--csv", path, *options, *(["--json", "-"] if as_json else []))
        result.path = path
        if as_json:
            result.plan = json.loads(result.stdout)
        return result
    return make


def json_of(table, text, *options):
    return table(text, "--hz", HZ, "--overhead-ns", OVERHEAD_NS, *options, as_json=True).plan


# ---- admitted, refused -----------------------------------------------------------------------------------------------
def test_an_admitted_table_is_shown(table):
    result = table(GOOD, "--cores", 2, "--overhead-ns", OVERHEAD_NS)
    assert result.returncode == 0 and result.stderr == ""
    rows = {line.split()[0]: line.split() for line in result.stdout.splitlines()}
    # core, budget, period, deadline, uses with overhead, blackout T + D - 2Q
    assert rows["motor"] == ["motor", "0", "1", "200", "1000", "500", "20.30", "%", "1100"]
    assert rows["linux0"][2] == "0" and rows["batch"][3:] == ["best", "effort,", "weight", "200"]
    assert "core 1: 60.33 % promised, overhead and interrupts included" in result.stdout


def test_json_adds_up(table):
    found = json_of(table, GOOD, "--cores", 2, "--irq", "0:1500:1000", "--irq", "0:500:100")
    assert found["admitted"] and found["mistakes"] == [] and found["memory"] is None
    reserved = [vcpu for vcpu in found["vcpus"] if "budget_us" in vcpu]
    assert [vcpu["name"] for vcpu in reserved] == ["motor", "linux0", "linux1"]
    for vcpu in reserved:
        assert vcpu["blackout_us"] == vcpu["period_us"] + vcpu["deadline_us"] - 2 * vcpu["budget_us"]
        assert vcpu["admitted_as"]["budget_ns"] == vcpu["budget_us"] * 1000 + OVERHEAD_NS
        assert vcpu["utilisation"] == pytest.approx(vcpu["admitted_as"]["budget_ns"] / vcpu["admitted_as"]["period_ns"], abs=1e-8)
    for core in found["cores"]:
        of_irqs = sum(source["cost_ns"] / source["distance_ns"] for source in core["sources"])
        of_vcpus = sum(vcpu["utilisation"] for vcpu in reserved if vcpu["core"] == core["core"])
        assert core["interrupts"] == pytest.approx(of_irqs, abs=1e-8)
        assert core["utilisation"] == pytest.approx(of_irqs + of_vcpus, abs=1e-8)
        assert core["vcpus"] == sum(vcpu["core"] == core["core"] for vcpu in found["vcpus"])
    assert [len(core["sources"]) for core in found["cores"]] == [2, 0]


def demand(tasks, at):
    """What is due by `at`, all released together: the demand bound function, without interrupts."""
    return sum(((at - task["deadline_ns"]) // task["period_ns"] + 1) * task["budget_ns"]
               for task in tasks if at >= task["deadline_ns"])


def test_a_refusal_has_a_witness_and_says_what_fits(table):
    text = table(FULL, "--hz", HZ, "--overhead-ns", OVERHEAD_NS)
    assert text.returncode == 1
    assert re.match(rf"{re.escape(str(text.path))}:3:budget-us: core 0 cannot keep it: within \S+ us its reservations can want "
                    r"\S+ us, \S+ us too much; budget-us at most 494\n", text.stderr), text.stderr  # no period is long enough
    assert "refused: 1 of 2 VCPUs find no place" in text.stdout
    found = json_of(table, FULL)
    assert not found["admitted"]
    refused = found["vcpus"][1]
    verdict = refused["verdict"]
    assert (refused["step"], refused["core"], refused["closest_core"], verdict["outcome"]) == ("refused", None, 0, "refused")
    assert demand([vcpu["admitted_as"] for vcpu in found["vcpus"]], verdict["at_ns"]) == verdict["demand_ns"]
    assert verdict["excess_ns"] == verdict["demand_ns"] - verdict["at_ns"] > 0
    assert refused["refusal"]["place"].endswith(":3:budget-us")


@pytest.mark.parametrize("deadline, has_period", [("800", False), ("", True)])
def test_what_is_said_to_fit_fits_and_no_more(table, deadline, has_period):
    def ask(budget, period):
        return json_of(table, FULL.rsplit("b,", 1)[0] + f"b,{budget},{period},{deadline},0\n")
    refused = ask(600, 1000)["vcpus"][1]
    budget, period = refused["largest_budget_ns"] // 1000, math.ceil(refused["smallest_period_ns"] / 1000)
    assert ask(budget, 1000)["admitted"] and not ask(budget + 1, 1000)["admitted"]
    assert (period != 0) == has_period
    if has_period:
        assert ask(600, period)["admitted"] and not ask(600, period - 1)["admitted"]
        assert refused["refusal"]["remedy"] == f"budget-us at most {budget}, or period-us at least {period}"


def test_with_an_interrupt_more_is_refused(table):
    text = "name,budget-us,period-us\na,990,1000\n"
    assert table(text).returncode == 0
    assert table(text, "--irq", "0:20000:1000").returncode == 1


def test_a_core_takes_only_so_many(table):
    rows = "".join(f"v{i},,,0\n" for i in range(32))
    result = table("name,budget-us,period-us,core\n" + rows)
    assert result.returncode == 1 and ":33:core: no core has room for another VCPU: each takes 31" in result.stderr


# ---- tables that are well formed -------------------------------------------------------------------------------------
@pytest.mark.parametrize("text", [
    GOOD.replace("\n", "\r\n"), b"\xef\xbb\xbf" + GOOD.encode(), GOOD.rstrip("\n"), GOOD.replace(",", " ,\t"),
    re.sub(r"([^,\n]+)", r'"\1"', GOOD), GOOD.replace("\n", "\n\n"), GOOD.replace("motor,", ' "motor" ,')])
def test_tables_may_be_written_in_several_ways(table, text):
    usual = table(GOOD, "--cores", 2, as_json=True).plan
    found = table(text, "--cores", 2, as_json=True).plan
    for vcpu in found["vcpus"] + usual["vcpus"]:
        del vcpu["line"]
    assert found == usual


def test_columns_come_in_any_order_and_names_may_be_strange(table):
    found = json_of(table, 'weight,name\n7,"a, ""b"" <i>&amp;\\"\n')
    assert found["vcpus"][0]["name"] == 'a, "b" <i>&amp;\\' and found["vcpus"][0]["weight"] == 7


def test_vcpus_of_one_vm_keep_apart(table):
    apart = json_of(table, "name,weight,vm\na,1,x\nb,1,y\nc,1000,y\n", "--cores", 2)
    assert len({vcpu["core"] for vcpu in apart["vcpus"][1:]}) == 2


# ---- mistakes in tables ----------------------------------------------------------------------------------------------
HEAD = "name,budget-us,period-us,deadline-us,core,vm,weight\n"
MISTAKES = {  # text, place behind the file's name, what is wrong, what would be right
    "empty": ("", ":1: ", "names of the columns are missing", "name,budget-us,period-us"),
    "blank": ("  \n\n", ":1: ", "names of the columns are missing", "name,budget-us,period-us"),
    "header alone": (HEAD, ":1: ", "has no VCPU", "each line"),
    "no name column": ("budget-us,period-us\n10,100\n", ":1:name: ", "no such column", "begin with"),
    "no period column": ("name,budget-us\na,10\n", ":1:period-us: ", "no such column", "budget-us and period-us"),
    "no budget column": ("name,period-us\na,10\n", ":1:budget-us: ", "no such column", "budget-us and period-us"),
    "deadline alone": ("name,deadline-us,weight\na,,10\n", ":1:budget-us: ", "no such column", "budget-us and period-us"),
    "unknown column": ("name,budget-us,period-us,budget-ms\n", ":1:budget-ms: ", "no such column", "columns are name"),
    "unnamed column": ("name,budget-us,period-us,\na,10,100,\n", ":1: ", "no such column", "columns are name"),
    "column twice": ("name,budget-us,period-us,name\n", ":1:name: ", "stands here twice", "once"),
    "semicolons": ("name;budget-us;period-us\na;10;100\n", ":1:name;budget-us;period-us: ", "no such column", "commas"),
    "UTF-16": (GOOD.encode("utf-16"), ":1: ", "UTF-16", "ASCII or UTF-8"),
    "no name": (HEAD + ",10,100\n", ":2:name: ", "is missing", "name of its own"),
    "name twice": (HEAD + "a,10,100\nb,10,100\na,10,100\n", ":4:name: ", "line 2 has the name a, too", "name of its own"),
    "long name": (HEAD + "a" * 48 + ",10,100\n", ":2:name: ", "too long", "47"),
    "very long name": (HEAD + "a" * 5000 + ",10,100\n", ":2:name: ", "has 5000 characters", "47"),
    "not UTF-8": (HEAD.encode() + b"m\xf6tor,10,100\n", ":2:name: ", "byte 0xf6", "ASCII"),
    "UTF-8": (HEAD + "m\u00f6tor,10,100\n", ":2:name: ", "byte 0xc3", "ASCII"),
    "NUL": (HEAD + "a\0b,10,100\n", ":2:name: ", "byte 0x00", "ASCII"),
    "escape": (HEAD + "a\x1b[2J,10,100\n", ":2:name: ", "byte 0x1b", "ASCII"),
    "lone CR": (HEAD + "a,10\r,100\n", ":2:budget-us: ", "byte 0x0d", "ASCII"),
    "no budget": (HEAD + "a,,100\n", ":2:budget-us: ", "is missing", "or neither"),
    "no period": (HEAD + "a,10\n", ":2:period-us: ", "is missing", "or neither"),
    "only a deadline": (HEAD + "a,,,10\n", ":2:budget-us: ", "is missing", "or neither"),
    "small budget": (HEAD + "a,9,100\n", ":2:budget-us: ", "9 is too small", "10 to 10000000"),
    "zero": (HEAD + "a,0,100\n", ":2:budget-us: ", "0 is too small", "10 to 10000000"),
    "large period": (HEAD + "a,10,10000001\n", ":2:period-us: ", "10000001 is too large", "10 to 10000000"),
    "huge number": (HEAD + "a,10," + "9" * 60 + "\n", ":2:period-us: ", "too large", "10 to 10000000"),
    "number of many digits": (HEAD + "a,10," + "9" * 100 + "\n", ":2:period-us: ", "has 100 characters", "8"),
    "negative": (HEAD + "a,-10,100\n", ":2:budget-us: ", "'-10' is no whole number", "10 to 10000000"),
    "fraction": (HEAD + "a,10.5,100\n", ":2:budget-us: ", "'10.5' is no whole number", "10 to 10000000"),
    "hexadecimal": (HEAD + "a,0x10,100\n", ":2:budget-us: ", "no whole number", "10 to 10000000"),
    "word": (HEAD + "a,ten,100\n", ":2:budget-us: ", "'ten' is no whole number", "10 to 10000000"),
    "Q > D": (HEAD + "a,60,100,50\n", ":2:budget-us: ", "60 is more than deadline-us, 50", "at most 50"),
    "Q > T": (HEAD + "a,160,100\n", ":2:budget-us: ", "160 is more than period-us, 100", "at most 100"),
    "D > T": (HEAD + "a,60,100,101\n", ":2:deadline-us: ", "101 is more than period-us, 100", "at most 100"),
    "weight of a reservation": (HEAD + "a,60,100,,,,5\n", ":2:weight: ", "has no meaning", "remove it"),
    "weight 0": (HEAD + "a,,,,,,0\n", ":2:weight: ", "0 is too small", "1 to 1024"),
    "weight 1025": (HEAD + "a,,,,,,1025\n", ":2:weight: ", "1025 is too large", "1 to 1024"),
    "core that is not there": (HEAD + "a,10,100,,4\n", ":2:core: ", "4 is too large", "0 to 3, or auto"),
    "core -1": (HEAD + "a,10,100,,-1\n", ":2:core: ", "'-1' is no whole number", "0 to 3, or auto"),
    "core 256": (HEAD + "a,10,100,,256\n", ":2:core: ", "256 is too large", "0 to 3, or auto"),
    "too many cells": (HEAD + "a,10,100,,,,,\n", ":2: ", "has 8 cells, and the first line 7", "quotes"),
    "many cells": (HEAD + "," * 5000 + "\n", ":2: ", "has 5001 cells", "quotes"),
    "open quote": (HEAD + '"a,10,100\nb,10,100\n', ":2: ", "not closed", "both ends"),
    "open quote in the header": ('"name,budget-us\n', ":1: ", "not closed", "both ends"),
    "behind a quote": (HEAD + '"a"b,10,100\n', ":2: ", "behind the closing quote", "comma"),
    "overhead beyond D": (HEAD + "a,100,100\n", ":2:budget-us: ", "3000 ns of overhead, 100 is more than the deadline", "longer"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told(table, name):
    text, place, wrong, remedy = MISTAKES[name]
    result = table(text, "--cores", 4, "--overhead-ns", OVERHEAD_NS)
    assert result.returncode == 1
    assert any(line.startswith(f"{result.path}{place}") and wrong in line and remedy in line.split("; ", 1)[1]
               for line in result.stderr.splitlines()), result.stderr
    found = table(text, "--cores", 4, "--overhead-ns", OVERHEAD_NS, as_json=True).plan
    assert not found["admitted"] and found["mistake_count"] == len(found["mistakes"]) > 0
    ET.fromstring(plan.document(found))


def test_all_mistakes_are_told_at_once(table):
    text = "name,budget-us,period-us,colour,core\n,10,100\nb,x,100\nc,10,5\nd,10,100,,9\nb,200,100\ng,90,100,,0\nh,90,100,,0\n"
    result = table(text)
    places = {line[len(str(result.path)):].split(": ")[0] for line in result.stderr.splitlines()}
    assert places == {":1:colour", ":2:name", ":3:budget-us", ":4:period-us", ":5:core", ":6:budget-us", ":8:budget-us"}


def test_endless_mistakes_are_counted(table):
    result = table(HEAD + "a,x,y\n" * 100)
    assert len(result.stderr.splitlines()) == 65 and result.stderr.endswith("and 136 more\n")


def test_too_many_rows_and_bytes_are_told(table):
    rows = "".join(f"v{i},1\n" for i in range(64 * 31))
    assert table("name,weight\n" + rows, "--cores", 64).returncode == 0
    result = table("name,weight\n" + rows + "last,1\n", "--cores", 64)
    assert result.returncode == 1 and ":1986: more than 1984 VCPUs; " in result.stderr
    result = table(HEAD + "a" * (1 << 20))
    assert result.returncode == 1 and "more than a MiB" in result.stderr


def test_whatever_stands_in_a_table_harms_nothing(table):
    seed = random.SystemRandom().getrandbits(32)
    print("seed", seed)
    dice = random.Random(seed)
    pieces = [b",", b"\n", b'"', b"\r\n", b"\0", b"\xff", b"auto", b"0", b"99999999", b" ", b"-", b"name", b"budget-us", b"=1+1"]
    for _ in range(150):
        text = bytearray(GOOD.encode())
        for _ in range(dice.randint(1, 12)):
            at, kind = dice.randrange(len(text) + 1), dice.randrange(3)
            if kind == 0:
                text[at:at] = dice.choice(pieces) * dice.choice((1, 1, 1, 70))
            elif kind == 1:
                del text[at:at + dice.randint(1, 20)]
            else:
                text[at:at + 1] = bytes([dice.randrange(256)])
        result = table(bytes(text), "--cores", 2, "--overhead-ns", OVERHEAD_NS, as_json=True)
        assert result.returncode == (0 if result.plan["admitted"] else 1), text
        assert result.plan["admitted"] == (result.plan["mistake_count"] == 0), text


@pytest.mark.parametrize("arguments, complaint", [
    ((), "usage:"), (("a",), "usage:"), (("a", "b", "c"), "usage:"), (("--cores", "2", "a", "b"), "usage:"),
    (("--csv",), "--csv wants a value"), (("--what", "1"), "--what is no option"), (("--csv", "t", "--cores", "65"), "1 to 64"),
    (("--csv", "t", "--cores", "0"), "1 to 64"), (("--csv", "t", "--hz", "1e9"), "--hz wants a number"),
    (("--csv", "t", "--irq", "0:1"), "CORE:COST-NS:DISTANCE-US"), (("--csv", "t", "--irq", "0:0:1"), "CORE:COST-NS:DISTANCE-US"),
    (("--csv", "/nowhere/t.csv"), "/nowhere/t.csv: No such file"), (("--csv", "/"), "/: ")])
def test_what_cannot_be_planned_is_said(arguments, complaint):
    result = run(*arguments)
    assert result.returncode == 2 and complaint in result.stderr


def test_what_cannot_be_written_or_interrupted_is_said(table):
    result = table(GOOD, "--cores", 2, "--irq", "2:1:1")
    assert result.returncode == 2 and "core 2, which --cores does not give" in result.stderr
    assert table(GOOD, "--cores", 2, "--json", "/nowhere/plan.json").returncode == 2


# ---- who runs when ---------------------------------------------------------------------------------------------------
def check_charts(found, whole=False):
    """No two bars of a core overlap, and who always wants gets the whole budget of each period by its deadline."""
    checked = 0
    for core in found["cores"]:
        bars, end = core["chart"]["bars"], core["chart"]["end_ns"]
        assert all(begin < stop <= end for _, begin, stop in bars)
        assert all(earlier[2] <= later[1] for earlier, later in zip(bars, bars[1:]))
        here = [i for i, vcpu in enumerate(found["vcpus"]) if vcpu["core"] == core["core"]]
        assert {who for who, _, _ in bars} <= {*here, *([-1] if core["sources"] else [])}
        for index in here if len(here) > 1 else []:
            task = found["vcpus"][index].get("admitted_as")
            for release in range(0, end - task["period_ns"] + 1, task["period_ns"]) if task else ():
                def supply(until):
                    return sum(max(0, min(stop, until) - max(begin, release)) for who, begin, stop in bars if who == index)
                assert supply(release + task["deadline_ns"]) == supply(release + task["period_ns"]) == task["budget_ns"], \
                    (found["vcpus"][index]["name"], release)
                checked += 1
        if whole and here and core["hyperperiod_ns"]:
            assert end == core["hyperperiod_ns"]
    return checked


def test_the_chart_keeps_every_promise(table):
    found = json_of(table, GOOD, "--cores", 2, "--irq", "0:1500:1000", "--irq", "1:2500:130")
    # Core 1: ten periods of motor, one of linux1; core 0: one of linux0.
    assert check_charts(found, whole=True) == 12
    spare = sum(stop - begin for who, begin, stop in found["cores"][1]["chart"]["bars"] if who in (3, 4))
    own = sum(vcpu["utilisation"] for vcpu in found["vcpus"][0:3:2]) * 10_000_000
    irqs = sum(stop - begin for who, begin, stop in found["cores"][1]["chart"]["bars"] if who == -1)
    assert spare + own + irqs == pytest.approx(10_000_000, abs=10) and irqs == -(-10_000 // 130) * 2500


def test_charts_of_random_tables_keep_every_promise(table):
    seed = random.SystemRandom().getrandbits(32)
    print("seed", seed)
    dice = random.Random(seed)
    checked = 0
    for _ in range(15):
        rows = []
        for i in range(dice.randint(2, 12)):
            period = dice.choice((1, 2, 3, 5, 7, 10)) * dice.choice((100, 1000))
            budget = dice.randint(10, period // 3)
            rows.append(f"v{i},{budget},{period},{dice.randint(min(2 * budget, period), period)},")
        rows += [f"b{i},,,,{dice.randint(1, 1024)}" for i in range(dice.randint(0, 3))]
        text = "name,budget-us,period-us,deadline-us,weight\n" + "\n".join(rows)
        checked += check_charts(json_of(table, text, "--cores", dice.randint(1, 4), "--irq", f"0:{dice.randint(100, 5000)}:100"))
    assert checked > 100


@pytest.mark.skipif(not (ROOT / "sched/split.c").exists(), reason="this tree does not split VCPUs")
def test_pieces_of_a_split_vcpu_never_run_at_once(table):
    found = json_of(table, "name,budget-us,period-us\n" + "".join(f"{name},6000,10000\n" for name in "abc") + "bg,,\n",
                    "--cores", 2, "--migration-ns", 5000)
    split = [vcpu for vcpu in found["vcpus"] if "pieces" in vcpu]
    assert found["admitted"] and len(split) == 1
    index, (first, second) = found["vcpus"].index(split[0]), split[0]["pieces"]
    assert first["deadline_ns"] + second["deadline_ns"] == 10_000_000 and first["core"] != second["core"]
    runs = {core["core"]: [bar[1:] for bar in core["chart"]["bars"] if bar[0] == index] for core in found["cores"]}
    assert sum(stop - begin for begin, stop in runs[first["core"]]) == first["budget_ns"]
    assert sum(stop - begin for begin, stop in runs[second["core"]]) == second["budget_ns"]
    assert max(stop for _, stop in runs[first["core"]]) <= first["deadline_ns"] <= min(begin for begin, _ in runs[second["core"]])
    assert "second piece" in text_of(parsed(plan.document(found)))


def test_who_is_alone_owns_its_core(table):
    core = json_of(table, "name,budget-us,period-us\na,100,1000\n")["cores"][0]
    assert core["chart"] == {"end_ns": 1_000_000, "bars": [[0, 0, 1_000_000]]}


def test_long_hyperperiods_are_cut(table):
    core = json_of(table, "name,budget-us,period-us\na,4999,10007\nb,4999,10009\n")["cores"][0]
    assert core["hyperperiod_ns"] == 10007 * 10009 * 1000 and core["chart"]["end_ns"] == 20 * 10_009_000
    core = json_of(table, "name,budget-us,period-us\na,10,20\nb,4000000,10000000\n")["cores"][0]
    assert len(core["chart"]["bars"]) <= 1000 and core["chart"]["end_ns"] < 10_000_000_000


def test_256_vcpus_on_64_cores_are_planned(table, tmp_path):
    text = "name,budget-us,period-us,deadline-us\n" + "".join(f"v{i},{10 + i % 7},{100 + i % 50},{95 + i % 5}\n" for i in range(256))
    found = json_of(table, text, "--cores", 64)
    assert found["admitted"] and {core["vcpus"] for core in found["cores"]} <= set(range(1, 8))
    assert check_charts(found) > 1000
    (tmp_path / "p.json").write_text(json.dumps(found))
    result = subprocess.run([sys.executable, ROOT / "scripts/plan.py", tmp_path / "p.json", tmp_path / "p.html"], timeout=60,
                            capture_output=True, text=True, check=False)
    assert result.returncode == 0 and result.stdout == f"the page: {tmp_path / 'p.html'}\n"
    assert (tmp_path / "p.html").read_text().count("<details>") == 64  # so many charts are folded


# ---- the page --------------------------------------------------------------------------------------------------------
def parsed(document):
    """The page's tree; fails unless it is well-formed and wants nothing from outside."""
    assert document.startswith("<!DOCTYPE html>\n")
    tree = ET.fromstring(document)
    for element in tree.iter():
        assert element.tag.rpartition("}")[2] not in ("script", "link", "img", "iframe", "object", "foreignObject", "use")
        assert not [name for name in element.attrib if name.rpartition("}")[2] in ("src", "href", "style", "data")
                    or name.startswith("on")]
    assert "url(" not in document and "@import" not in document
    assert set(re.findall(r"https?://[^\"\s]+", document)) <= {"http://www.w3.org/1999/xhtml", "http://www.w3.org/2000/svg"}
    return tree


def text_of(tree):
    return " ".join("".join(tree.itertext()).split())


def test_the_page_of_an_admitted_plan(table):
    found = json_of(table, GOOD.replace("motor", '"<script>""m&"'), "--cores", 2, "--irq", "0:1500:1000")
    tree = parsed(plan.document(found))
    text = text_of(tree)
    assert 'Admitted: all 5 VCPUs get what they ask for.' in text and '<script>"m&' in text
    assert "Core 1: the whole hyperperiod, 10 ms" in text and "1,100" in text
    figures = [svg for svg in tree.iter("{http://www.w3.org/2000/svg}svg") if svg.get("class") == "gantt"]
    assert [svg.get("aria-label").split(":")[0] for svg in figures] == ["Core 0", "Core 1"] and figures[0].get("role") == "img"
    # Ten releases of the one, one of the other.
    assert sum(path.get("class") == "mark" for path in figures[1].iter()) == 11


def test_the_page_of_a_refused_plan(table):
    text = text_of(parsed(plan.document(json_of(table, FULL))))
    assert "Refused: 1 of 2 VCPUs find no place." in text and "core 0 cannot keep it: within 1,000 us" not in text
    assert "core 0 cannot keep it: within 1000.000 us" in text and "largest budget (us)" in text


def test_a_plan_of_another_version_is_refused(tmp_path):
    (tmp_path / "p.json").write_text('{"takt_plan": 2}')
    result = subprocess.run([sys.executable, ROOT / "scripts/plan.py", tmp_path / "p.json", tmp_path / "p.html"], timeout=60,
                            capture_output=True, text=True, check=False)
    assert result.returncode == 2 and "no plan of this version" in result.stderr


# ---- charts and pages for whoever draws ------------------------------------------------------------------------------
def bars_of(figure):
    return [element for element in ET.fromstring(figure).iter("{http://www.w3.org/2000/svg}rect") if element.get("height") == "16"]


def test_bars_are_cut_to_what_is_shown():
    figure = gantt.svg(["a", "b"], [("a", -50, 50, "x", ""), (1, 90, 200, "y", "tip & more"), ("b", 100, 300, "y", "")], 0, 100, "us", "t")
    left, right = bars_of(figure)
    assert float(left.get("width")) == pytest.approx(5 * float(right.get("width")), abs=0.05)
    assert float(right.get("x")) + float(right.get("width")) == pytest.approx(gantt.WIDTH - gantt.MARGIN, abs=0.01)
    assert right[0].text == "tip & more"


def test_a_kind_keeps_its_colour_and_stands_in_the_legend():
    first, second = (gantt.svg(["a"], [("a", 0, 1, kind, "")], 0, 1, "s", "t", ("x", "y")) for kind in "xy")
    assert [bars_of(figure)[0].get("class") for figure in (first, second)] == ["k0", "k1"]
    assert ">y</text>" in second and ">x</text>" not in second


@pytest.mark.parametrize("arguments, complaint", [
    (([], [], 0, 1), "at least one lane"), ((["a"], [], 1, 1), "not after its start"),
    ((["a"], [("b", 0, 1, "k", "")], 0, 1), "'b'; the lanes are 'a'"), ((["a"], [(1, 0, 1, "k", "")], 0, 1), "the lanes are"),
    ((["a"], [("a", 1, 0, "k", "")], 0, 1), "before it begins")])
def test_what_cannot_be_drawn_is_said(arguments, complaint):
    with pytest.raises(ValueError, match=complaint):
        gantt.svg(*arguments, "us", "t")


@pytest.mark.parametrize("length", [1, 3, 7.5, 999, 1001, 123456789, 0.002])
def test_labels_of_the_axis_do_not_overlap(length):
    figure = ET.fromstring(gantt.svg(["lane"], [], length / 3, length / 3 + length, "us", "t"))
    texts = [element for element in figure.iter("{http://www.w3.org/2000/svg}text") if element.text not in ("lane", "us")]
    spans = []
    for text in texts:
        width, at = gantt.LETTER * len(text.text), float(text.get("x"))
        begin = at - width if text.get("text-anchor") == "end" else at - width / 2
        spans.append((begin, begin + width))
    assert len(spans) >= 3 and spans[-1][1] <= gantt.WIDTH
    assert all(earlier[1] < later[0] for earlier, later in zip(spans, spans[1:])), spans


def luminance(colour):
    parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    dark, light = sorted(map(luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


def test_colours_can_be_told_from_what_is_behind_them():
    for scheme in (page.LIGHT, page.DARK):
        for name in ("ink", "quiet", "good", "bad"):
            assert min(contrast(scheme[name], scheme[behind]) for behind in ("paper", "shade")) >= 4.5, name
        for colour in (*gantt.PALETTE, scheme["fill"]):
            assert min(contrast(colour, scheme[behind]) for behind in ("paper", "shade")) >= 3, colour
    assert min(contrast(colour, "#ffffff") for colour in gantt.PALETTE) >= 4.5


def test_nothing_leaves_its_tags():
    strange = "<b>&\"'\x00\x1b\ud800</b>"
    tree = parsed(page.document(strange, [
        page.section(strange, page.table([strange], [[strange]], caption=strange), page.bullets([strange])), page.paragraph(strange),
        page.subsection(strange), page.folded(strange, page.preformatted(strange)), page.verdict(False, strange),
        page.share_bar(7, strange), page.Html(gantt.svg([strange], [(0, 0, 1, strange, strange)], 0, 1, strange, strange))]))
    assert not list(tree.iter("{http://www.w3.org/1999/xhtml}b")) and "<b>&\"'\ufffd\ufffd\ufffd</b>" in text_of(tree)


# ---- a system image --------------------------------------------------------------------------------------------------
BOARD = """/dts-v1/; / { model = "made-up"; compatible = "made-up"; #address-cells = <2>; #size-cells = <2>;
    cpus { #address-cells = <1>; #size-cells = <0>; cpu@0 { device_type = "cpu"; reg = <0>; }; cpu@1 { device_type = "cpu"; reg = <1>; }; };
    memory@40000000 { device_type = "memory"; reg = <0 0x40000000 0 0x8000000>; }; };"""
SYSTEM = """/dts-v1/; / {{ compatible = "takt,system-1"; vms {{ rt {{ memory = <0x0 0x40000000 0x0 0x400000>; kernel = "k.bin";
    type = "raw"; load-address = <0x0 0x40080000>;
    vcpus {{ vcpu@0 {{ reg = <0>; core = <1>; budget-us = <{budget}>; period-us = <1000>; }};
             vcpu@1 {{ reg = <1>; core = <1>; budget-us = <4000>; period-us = <10000>; }}; }}; }}; }}; }};"""


@pytest.fixture(name="system")
def system_fixture(tmp_path):
    """Packs a system of one VM; returns the arguments of takt-plan for it."""
    def make(budget):
        (tmp_path / "k.bin").write_bytes(b"\0" * 4096)
        (tmp_path / "s.dts").write_text(SYSTEM.format(budget=budget))
        (tmp_path / "board.dts").write_text(BOARD)
        subprocess.run(["dtc", "-q", "-O", "dtb", "-o", tmp_path / "board.dtb", tmp_path / "board.dts"], check=True, timeout=60)
        subprocess.run([sys.executable, ROOT / "scripts/mkimage.py", "--board", "qemu-arm64", "--out", tmp_path / "s.itb",
                        tmp_path / "s.dts"], cwd=ROOT, check=True, timeout=60)
        return tmp_path / "s.system.itb", tmp_path / "board.dtb"
    return make


def test_a_system_is_planned(system):
    files = system(200)
    text = run(*files)
    assert text.returncode == 0, text.stderr
    assert "guests have 4 of the " in text.stdout
    found = json.loads(run("--json", "-", *files).stdout)
    assert found["machine"] == "made-up" and found["source"].endswith("s.dts") and found["hz"] == 62_500_000
    assert [vcpu["name"] for vcpu in found["vcpus"]] == ["rt/0", "rt/1"] and len(found["cores"]) == 2
    vm = found["memory"]["vms"][0]
    assert found["memory"]["guests_bytes"] == 4 << 20 == sum(block["bytes"] for block in vm["blocks"])
    assert vm["entry"] == vm["kernel"] == 0x40080000 and vm["initrd"] is None
    # Of 16 ns a tick: budgets in it are rounded up, and periods fit.
    assert check_charts(found, whole=True) == 11
    assert "0x40080000" in text_of(parsed(plan.document(found)))


def test_a_refused_system_says_why(system):
    files = system(700)
    result = run(*files)
    assert result.returncode == 1
    assert re.search(r"s\.dts:/vms/rt/vcpus/vcpu@\d:budget-us: core 1 cannot keep it: ", result.stderr), result.stderr
    assert "refused: 1 of 2 VCPUs find no place" in result.stdout
    found = json.loads(run("--json", "-", *files).stdout)
    refused = [vcpu for vcpu in found["vcpus"] if vcpu["step"] == "refused"]
    assert [vcpu["refusal"] | {"place": ""} for vcpu in refused] == [mistake | {"place": ""} for mistake in found["mistakes"]]


def test_what_is_no_image_is_told(system, tmp_path):
    _, board = system(200)
    (tmp_path / "x").write_bytes(b"no image")
    result = run("--json", tmp_path / "p.json", tmp_path / "x", board)
    assert result.returncode == 1 and result.stderr.startswith("image:")
    assert "1 mistake in the description" in text_of(parsed(plan.document(json.loads((tmp_path / "p.json").read_text()))))
    assert run(board, tmp_path / "x").returncode == 2

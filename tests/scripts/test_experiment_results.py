# SPDX-License-Identifier: Apache-2.0
"""The experiments' parts that need no emulator: what guests print, verdicts, and Xen's device tree."""
import argparse
import shutil
import struct
import subprocess
import sys

import experiments
import machine
import mkimage
import pytest
import xen

GUESTS = ["player", "load"]
ON_TAKT = ("[takt] core vm                      vcpu utilisation budget-us period-us deadline-us blackout-us\n"
           "[load] SAMPLES film_late 99\n[player] SAMPLES film_requested 100 200\n[player] SAMPLES film_requested 300\n"
           "[player] SAMPLES film_late 1 2\n[player] SAMPLES film_late 9\n"
           "[player] BENCH periodic_misses count 0 0 0 3 1\n[player] BENCH-DONE\n")
ON_XEN = ("(XEN) d1v0: vGICD: unhandled word write\n(XEN) DOM2: SAMPLES film_late 99\n(XEN) DOM1: SAMPLES film_requested 100 200 300\n"
          "(XEN) DOM1: SAMPLES film_late 1 2 9\n(XEN) DOM1: BENCH periodic_misses count 0 0 0 3 1\n(XEN) DOM1: BENCH-DONE\n")
ALONE = "SAMPLES film_requested 100 200 300\nSAMPLES film_late 1 2 9\nBENCH periodic_misses count 0 0 0 3 1\nBENCH-DONE\n"


@pytest.mark.parametrize("console", [ON_TAKT, ON_XEN, ALONE])
def test_the_same_guest_is_read_from_every_console(console):
    samples = experiments.parse_samples(console, GUESTS)
    assert samples["player", "film_requested"] == [100, 200, 300]
    assert samples["player", "film_late"] == [1, 2, 9]
    assert samples.get(("load", "film_late"), [99]) == [99]
    assert experiments.parse_rows(console, GUESTS) == {("player", "periodic_misses"): (0, 0, 0, 3, 1)}


def test_a_line_that_was_cut_is_no_samples():
    assert experiments.parse_samples("[player] SAMPLES film_late 1 2 x\n[player] SAMPLES film_late\n", GUESTS) == {}


def test_figures_are_order_statistics():
    assert experiments.figures_of(list(range(100, 0, -1))) == {"samples": 100, "mean": 51, "p50": 50, "p99": 99, "max": 100}
    assert experiments.figures_of([7]) == {"samples": 1, "mean": 7, "p50": 7, "p99": 7, "max": 7}
    assert experiments.figures_of([1, 2, 1000])["p50"] == 2


def result(guest, hypervisor, mean, most, counts=None):
    return {"leg": f"{guest} on {hypervisor}", "guest": guest, "hypervisor": hypervisor, "mean": mean, "p50": mean, "p99": most,
            "max": most, "samples": 10, "counts": counts or {}, "promise-us": "10"}


def test_only_takt_has_to_keep_the_bounds():
    plan = {"guest": [{"name": "g", "bounds": {"mean": 10, "max": 20}, "most": {"misses": 0}}]}
    takt, other = result("g", "takt", 10, 20, {"player.misses": 0}), result("g", "xen", 10, 21, {"player.misses": 4})
    assert experiments.judge(plan, [takt, other]) == []
    assert takt["over"] == [] and other["over"] == ["max 21 > 20", "player.misses 4 > 0"]
    late = result("g", "takt", 11, 20, {"worker.misses": 1})
    assert experiments.judge(plan, [late]) == ["g on takt: mean 11 > 10", "g on takt: worker.misses 1 > 0"]


def test_a_bound_above_the_bare_machine_needs_that_machine():
    plan = {"guest": [{"name": "g", "above-bare": {"mean": 2, "max": 4}}]}
    bare = result("g", "bare", 5, 10)
    assert experiments.judge(plan, [bare, result("g", "takt", 7, 14)]) == []
    assert experiments.judge(plan, [bare, result("g", "takt", 7, 15)]) == ["g on takt: max 15 > 14"]
    assert "has not run" in experiments.judge(plan, [result("g", "takt", 1, 1)])[0]


def test_a_promised_bound_comes_from_the_hypervisor():
    plan = {"guest": [{"name": "g", "computed": "promise-us"}]}
    assert experiments.judge(plan, [result("g", "takt", 1, 10000)]) == []
    assert experiments.judge(plan, [result("g", "takt", 1, 10001)]) == ["g on takt: max 10,001 > 10,000"]


def test_a_leg_that_broke_is_a_complaint_and_one_that_was_skipped_is_not():
    plan = {"guest": [{"name": "g", "bounds": {"max": 1}}]}
    broke = {"leg": "g on takt", "guest": "g", "hypervisor": "takt", "failed": "it hangs\nfor ever"}
    skipped = {"leg": "g on xen", "guest": "g", "hypervisor": "xen", "skipped": "no package"}
    assert experiments.judge(plan, [broke, skipped]) == ["g on takt: it hangs\nfor ever"]
    text = experiments.table(plan, [broke, skipped])
    assert "failed: it hangs |" in text and "skipped: no package |" in text


@pytest.mark.parametrize("name", ["sleep", "attack"])
def test_every_leg_of_a_plan_has_its_description(name):
    plan = experiments.load_plan(name)
    legs = experiments.legs_of(plan)
    assert len({leg.file_name for leg in legs}) == len(legs)
    for guest in plan["guest"]:
        path = machine.ROOT / "boards/qemu-arm64/experiments" / f"{guest['system']}.dts"
        assert plan["vm"] in {vm.name for vm in xen.guests_of(path)}
        assert guest.get("adapt", [""])[0] in path.read_text(encoding="utf-8")
        assert guest.get("bounds") or guest.get("above-bare") or guest.get("computed")


def test_an_unknown_experiment_is_refused_with_the_names_of_those_that_there_are():
    with pytest.raises(experiments.ExperimentError, match="attack, sleep"):
        experiments.load_plan("fly")


DESCRIPTION = """/dts-v1/;
/ { compatible = "takt,system-1";
    vms {
        linux { memory = <0x0 0x40000000 0x0 0xc000000>; kernel = "Image"; initrd = "initrd"; bootargs = "quiet frames=5";
                vcpus { vcpu@0 { reg = <0>; budget-us = <10>; period-us = <100>; }; }; };
        small { memory = <0x0 0x40000000 0x0 0x400000>; kernel = "Image"; vcpus { vcpu@0 { reg = <0>; }; vcpu@1 { reg = <1>; }; }; };
    };
};
"""


def test_xen_gets_the_guests_of_the_description(tmp_path):
    (tmp_path / "system.dts").write_text(DESCRIPTION)
    (tmp_path / "Image").write_bytes(bytes(0x200001))
    (tmp_path / "initrd").write_bytes(bytes(5))
    linux, small = guests = xen.guests_of(tmp_path / "system.dts")
    assert (linux.name, linux.memory, linux.vcpus, linux.bootargs) == ("linux", 192 << 20, 1, "quiet frames=5")
    assert (small.vcpus, small.initrd, small.bootargs) == (2, None, "")
    places = [(kind, at) for _guest, kind, _path, at in xen.modules(guests)]
    assert places == [("kernel", 0x50000000), ("ramdisk", 0x50400000), ("kernel", 0x50600000)]
    tree = tmp_path / "tree.dts"
    tree.write_text('/dts-v1/;\n/ { chosen { stdout-path = "x"; }; };\n' + xen.chosen(guests, "sched=credit2"))
    values = {("/".join(path), name): value for path, name, value in mkimage.properties_of(mkimage.compile_tree(str(tree)))}
    assert values["chosen", "xen,xen-bootargs"] == b"sched=credit2\0" and ("chosen", "stdout-path") not in values
    assert values["chosen/dom1", "memory"] == struct.pack(">Q", 192 << 10)
    assert values["chosen/dom2", "memory"] == struct.pack(">Q", xen.MEMORY_LEAST >> 10)
    assert values["chosen/dom2", "cpus"] == struct.pack(">I", 2)
    assert values["chosen/dom1/module@50000000", "bootargs"] == b"quiet frames=5\0"
    assert values["chosen/dom1/module@50000000", "reg"] == struct.pack(">QQ", 0x50000000, 0x200001)
    assert values["chosen/dom1/module@50400000", "compatible"] == b"multiboot,ramdisk\0multiboot,module\0"


def package(folder, name, files):
    root = folder / "root"
    shutil.rmtree(root, ignore_errors=True)
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN/control").write_text("Package: x\nVersion: 1\nArchitecture: arm64\nMaintainer: x <x@x>\nDescription: x\n")
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    (folder / "packages").mkdir(exist_ok=True)
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", str(root), str(folder / "packages" / name)], check=True,
                   capture_output=True, timeout=60)


def test_xen_comes_out_of_its_package(tmp_path):
    with pytest.raises(xen.XenMissing, match="make setup"):
        xen.unpack(tmp_path, tmp_path)
    package(tmp_path, "xen-hypervisor-4.20-arm64_4.20.1-1_arm64.deb",
            {"boot/xen-4.20-arm64": b"image", "boot/xen-4.20-arm64.efi": b"efi", "boot/xen-4.20-arm64.config": b"config"})
    image, version = xen.unpack(tmp_path, tmp_path)
    assert image.read_bytes() == b"image" and version == "4.20.1-1"
    package(tmp_path, "xen-hypervisor-4.20-arm64_4.20.1-1_arm64.deb", {"boot/other": b""})
    with pytest.raises(xen.XenMissing, match="has 0 files"):
        xen.unpack(tmp_path, tmp_path)


def test_a_result_is_kept_only_for_the_files_that_gave_it(tmp_path):
    args = argparse.Namespace(name="sleep", out=tmp_path, build=tmp_path)
    runner = experiments.Runner({}, args)
    kernel = tmp_path / "Image"
    kernel.write_bytes(b"one")
    guests = [xen.Guest("g", 1, 1, kernel, None, "")]
    command = ["qemu", "-append", "quiet"]
    first = runner.fingerprint(command, guests)
    assert runner.fingerprint(command, guests) == first
    assert runner.fingerprint([*command, "loud"], guests) != first
    kernel.write_bytes(b"two")
    assert runner.fingerprint(command, guests) != first


def test_a_leg_is_run_again_only_for_other_files_or_when_asked(tmp_path, monkeypatch):
    (tmp_path / "build").mkdir()
    args = argparse.Namespace(name="sleep", out=tmp_path, build=tmp_path / "build", samples=None, hypervisor=tmp_path / "takt.Image")
    runner = experiments.Runner({}, args)
    leg = experiments.Leg({"name": "g", "bare": 3}, {"name": "bare"})
    guest = xen.Guest("g", 1, 1, tmp_path / "Image", None, "")
    guest.kernel.write_bytes(b"one")
    means = iter(range(5, 99))
    monkeypatch.setattr(runner, "description", lambda leg: None)
    monkeypatch.setattr(xen, "guests_of", lambda source: [guest])
    monkeypatch.setattr(runner, "_measure", lambda *_arguments: {"mean": next(means)})
    assert "not run before" in runner.run(leg, experiments.KEPT)["skipped"]
    assert runner.run(leg, experiments.WANTED)["mean"] == 5
    assert [runner.run(leg, choice)["mean"] for choice in (experiments.KEPT, experiments.WANTED, experiments.ANEW)] == [5, 5, 6]
    guest.kernel.write_bytes(b"two")
    assert "not run before" in runner.run(leg, experiments.KEPT)["skipped"]
    assert runner.run(leg, experiments.WANTED)["mean"] == 7
    runner.emulator = "another version"
    assert runner.run(leg, experiments.WANTED)["mean"] == 8


def test_who_is_named_runs_anew_and_nobody_else():
    one, other = (experiments.Leg({"name": name}, {"name": "takt"}) for name in ("one", "other"))
    for k, again, choices in ((None, False, ["wanted", "wanted"]), (None, True, ["anew", "anew"]), ("^one on", False, ["anew", "kept"])):
        args = argparse.Namespace(k=k, again=again)
        assert [experiments.choice(leg, args) for leg in (one, other)] == choices


def test_a_wrong_pattern_and_wrong_numbers_are_refused():
    for options, said in ((["-k", "linux ("], "linux ("), (["--samples", "0"], "--samples"), (["--samples", "many"], "--samples"),
                          (["--patience", "0"], "--patience"), (["--jobs", "0"], "--jobs"), (["--hypervisor", "nowhere"], "nowhere")):
        done = subprocess.run([sys.executable, "scripts/experiments.py", "sleep", "--hypervisor", "Makefile", *options], cwd=machine.ROOT,
                              capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr, (options, done.stderr)


def test_a_leg_that_is_too_slow_is_told_what_helps(tmp_path):
    (tmp_path / "build").mkdir()
    args = argparse.Namespace(name="sleep", out=tmp_path, build=tmp_path / "build", patience=1)
    runner = experiments.Runner({"vm": "g"}, args)
    leg = experiments.Leg({"name": "g", "seconds": 1}, {"name": "bare"})
    with pytest.raises(experiments.ExperimentError, match="not done in 1 s; PATIENCE=4"):
        runner._measure(leg, ["sleep", "60"], ["g"])
    with pytest.raises(experiments.takt_console.ConsoleError):
        runner._measure(leg, ["true"], ["g"])
    runner.stop()
    with pytest.raises(experiments.ExperimentError, match="stopped"):
        runner._measure(leg, ["sleep", "60"], ["g"])

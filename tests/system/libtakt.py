# SPDX-License-Identifier: Apache-2.0
"""What a system test works with: packs descriptions, boots them, checks them on the host.

    def test_something(takt):
        with takt.boot("boards/qemu-arm64/default.dts", cores=2, gic=2) as console:
            console.seen_vm("rtprobe", "mode probe")

        result = takt.check(takt.write("bad.dts", TEXT))
        assert result.returncode == 1

    takt.write("pair.dts", libtakt.system(takt.vm("rt", takt.program("rtprobe"), [libtakt.reserved(1)]), ...))

Machine options are those of scripts/machine.py's Machine; the console is scripts/takt_console.py's Console.
"""
import os
import pathlib
import re
import subprocess
import sys

import disk
import machine
import takt_console

ROOT = machine.ROOT
BUILD = (ROOT / os.environ.get("TAKT_BUILD", "build")).resolve()
# The boards that are tested, and the one of a test that names none (conftest.py).
BOARDS = os.environ["TAKT_BOARDS"].split(",") if "TAKT_BOARDS" in os.environ else machine.boards()
DEFAULT_BOARD = "qemu-arm64"
# By architecture: the folder of guests' files, how bare-metal ones end, and where a guest's memory begins.
GUESTS = {"arm64": ("guests", "Image", 0x40000000), "x86": ("guests-x86", "bin", 0)}


class Takt:
    """One test's own folder, and the programs of the tree to use in it."""

    def __init__(self, folder, board):
        self.board = board
        self.build = BUILD
        self.arch = machine.board_settings(board)["arch"]
        guests, self._suffix, self._memory_at = GUESTS[self.arch]
        self._guests = self.build / guests
        self.hypervisor = self.build / self.board / "takt.Image"
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._boots = 0

    def write(self, name, text):
        """A file of this test; descriptions name guests' files relative to their own folder, so see guest()."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def guest(self, name):
        """Absolute path of a built guest file, to be named in a description's text."""
        path = self._guests / name
        assert path.exists(), f"{path} is not built; run 'make guests BOARD={self.board}'"
        return path

    def program(self, name):
        """The same of one of our bare-metal guests."""
        return self.guest(f"{name}.{self._suffix}")

    def vm(self, name, kernel, vcpus, bootargs="", memory_mib=4, more=""):
        """The text of one VM; vcpus: the properties of each, as from reserved() and on_core(); more: further properties
        and nodes."""
        nodes = " ".join(f"vcpu@{i} {{ reg = <{i}>; {text} }};" for i, text in enumerate(vcpus))
        arguments = f'bootargs = "{bootargs}"; ' if bootargs else ""
        # Properties come before nodes, so what is more goes in between.
        return (f'{name} {{ memory = <0x0 {self._memory_at:#x} 0x0 {memory_mib << 20:#x}>; kernel = "{kernel}"; {arguments}\n'
                f'    {more} vcpus {{ {nodes} }};\n}};\n')

    def source(self, system):
        path = pathlib.Path(system)
        return path if path.is_absolute() else ROOT / path

    def pack(self, system, hypervisor=None, board_data=None):
        """The .itb of a description; raises AssertionError with mkimage.py's words when it refuses."""
        source = self.source(system)
        itb = self.folder / (source.stem + ".itb")
        result = self.pack_result(source, itb, hypervisor, board_data=board_data)
        assert result.returncode == 0, f"mkimage.py refused {source}:\n{result.stderr}{result.stdout}"
        return itb

    def pack_result(self, source, itb, hypervisor=None, partial=False, board_data=None):
        """As `make image` does; `partial`: as `make check` does; `board_data`: a file in place of the board's."""
        command = [sys.executable, "scripts/mkimage.py", "--board", self.board, "--arch", self.arch, "--hypervisor",
                   str(hypervisor or self.hypervisor), "--out", str(itb), *(["--partial"] if partial else []),
                   *(["--board-data", str(board_data)] if board_data else []), str(source)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)

    def machine(self, **options):
        return machine.Machine(board=self.board, **options)

    def device_tree(self, **options):
        path = self.folder / "board.dtb"
        self.machine(**options).dump_device_tree(path)
        return path

    def check(self, system, **options):
        """Runs the host's checker as `make check` does; returns its CompletedProcess (stdout and stderr joined)."""
        return self.check_image(self.pack(system).with_suffix(".system.itb"), **options)

    def check_image(self, system_itb, **options):
        command = [str(self.build / "host/takt-plan"), str(system_itb), str(self.device_tree(**options))]
        return subprocess.run(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
                              check=False)

    def boot(self, system, budget=120, **options):
        """Packs and boots a description; returns its Console, to be used in a with statement."""
        return self.boot_image(self.pack(system), budget, **options)

    def boot_image(self, itb, budget=120, **options):
        """Boots a packed (or deliberately broken) image."""
        emulated = self.machine(**options)
        medium = disk.medium(emulated, self.folder / "medium.img", self.hypervisor, itb)
        self._boots += 1
        log = self.folder / f"console-{self._boots}.log"
        return takt_console.Console(emulated.command(self.hypervisor, itb, medium), log, budget, emulated.pace)


# ---- the text of descriptions ----------------------------------------------------------------------------------------
def reserved(core=None, budget_us=200, period_us=1000, deadline_us=None):
    """The properties of a VCPU with a reservation, by default rtprobe's."""
    return (f"{on_core(core)} budget-us = <{budget_us}>; period-us = <{period_us}>; "
            + (f"deadline-us = <{deadline_us}>;" if deadline_us else ""))


def on_core(core=None, weight=None):
    """The properties of a best-effort VCPU."""
    return (f"core = <{core}>; " if core is not None else "") + (f"weight = <{weight}>;" if weight else "")


def system(*vms, root=""):
    """A description of these VMs."""
    return f'/dts-v1/;\n/ {{\ncompatible = "takt,system-1"; {root}\nvms {{\n{"".join(vms)}}};\n}};\n'


def folder_name(node_id):
    return re.sub(r"[^\w.-]+", "-", node_id.removeprefix("tests/"))[-120:]

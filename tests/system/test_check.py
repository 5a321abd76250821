# SPDX-License-Identifier: Apache-2.0
"""`make check` as a user meets it: every kind of mistake in a description or an image, told by the packer or by the
checker as file:node:property, what is wrong, what would be right. The hypervisor says the same and starts nothing."""
import pathlib
import shutil

import pytest

import bench
import libtakt
import machine

SYSTEM = """\
/dts-v1/;
/ {{
    compatible = "takt,system-1";
    {root}
    vms {{
        rt {{
            memory = <{memory}>;
            kernel = "{kernel}";
            {rt}
            vcpus {{
                vcpu@0 {{ reg = <0>; {vcpu} }};
                {vcpus}
            }};
            {nodes}
        }};
        {vms}
    }};
}};
"""
RESERVED = "core = <1>; budget-us = <200>; period-us = <1000>; deadline-us = <500>;"
BUSY = "core = <1>; budget-us = <900>; period-us = <1000>;"


@pytest.fixture
def write(takt):
    """Writes my.dts with parts filled in."""

    def fill(root="", rt="", vcpu=RESERVED, vcpus="", nodes="", vms="", kernel=None,
             memory="0x0 0x40000000 0x0 0x400000"):
        text = SYSTEM.format(root=root, rt=rt, vcpu=vcpu, vcpus=vcpus, nodes=nodes, vms=vms, memory=memory,
                             kernel=kernel or takt.program("rtprobe"))
        return takt.write("my.dts", text)

    return fill


def test_a_good_system_is_admitted_and_shown(takt, write):
    result = takt.check(write())
    assert result.returncode == 0, result.stdout
    row = next(line for line in result.stdout.splitlines() if line.startswith("rt "))
    # core, budget, period, deadline, utilisation with overhead, blackout T + D - 2Q
    # latency: a masked section and the way into the guest, alone on its core; the same with the blackout before
    latency = sum(bench.board_constant("qemu-arm64", name) for name in ("masked-ns", "injection-ns")) / 1000
    assert row.split()[:9] == ["rt", "0", "1", "200", "1000", "500", "20.30", "%", "1100"]
    assert [float(field) for field in row.split()[9:]] == pytest.approx([latency, 1100 + latency], abs=0.033)  # two ticks
    assert "guests have 4 of the " in result.stdout


def test_a_split_vcpu_is_shown_in_its_pieces(takt, write):
    cores = takt.machine().setting("cores")
    reserved = "budget-us = <600>; period-us = <1000>;"
    fixed = "".join(f"vcpu@{i} {{ reg = <{i}>; core = <{i}>; {reserved} }};" for i in range(1, cores))
    result = takt.check(write(vcpu="core = <0>; " + reserved, vcpus=f"{fixed} vcpu@{cores} {{ reg = <{cores}>; {reserved} }};"))
    assert result.returncode == 0, result.stdout
    lines = result.stdout.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith(f"rt {cores:>25} "))
    whole, first, second = (line.split() for line in lines[at:at + 3])
    assert whole[3:6] == ["600", "1000", "1000"]
    assert first[:2] == ["first", "core"] and first[2].rstrip(",") == whole[2]
    assert second[:2] == ["then", "core"] and second[2] != first[2]
    assert 600 < float(first[3]) + float(second[3]) < 700 and float(first[6]) + float(second[6]) == 1000


def test_tasks_are_checked_against_their_reservation(takt, write):
    tasks = "tasks {{ task@0 {{ wcet-us = <{}>; deadline-us = <1450>; period-us = <2000>; }}; }};"
    assert takt.check(write(vcpu=RESERVED + tasks.format(150))).returncode == 0
    result = takt.check(write(vcpu=RESERVED + tasks.format(151)))
    assert result.returncode != 0
    assert ("my.dts:/vms/rt/vcpus/vcpu@0/tasks/task@0: within 1450 us the tasks can want 151 us, the reservation has 150 us "
            "for sure; budget-us of the vcpu at least 201") in result.stdout


def test_the_default_system_is_good(takt):
    result = takt.check("boards/qemu-arm64/default.dts")
    assert result.returncode == 0, result.stdout


# What is changed, then node:property, what is wrong, what would be right.
MISTAKES = {
    "unknown property": ({"vcpu": "budget-ms = <1>;"}, "/vms/rt/vcpus/vcpu@0:budget-ms", "unknown property",
                         "did you mean budget-us?"),
    "unknown node": ({"nodes": "device { };"}, "/vms/rt/device", "unknown node", "did you mean devices?"),
    "wrong type": ({"rt": "bootargs = <1>;"}, "/vms/rt:bootargs", "is not a string", "double quotes"),
    "wrong size": ({"rt": "load-address = <1>;"}, "/vms/rt:load-address", "has 4 bytes", "two cells"),
    "missing property": ({"vms": "x { vcpus { vcpu@0 { reg = <0>; }; }; };"}, "/vms/x:memory", "is missing", "add it"),
    "missing node": ({"vms": "x { memory = <0 0x40000000 0 0x200000>; };"}, "/vms/x", "no node vcpus", "add vcpus"),
    "duplicate vcpu": ({"vcpus": "vcpu@1 { reg = <0>; };"}, "/vms/rt/vcpus/vcpu@1:reg", "belongs to another", "0, 1, 2"),
    "a hole": ({"vcpus": "vcpu@2 { reg = <2>; };"}, "/vms/rt/vcpus", "no vcpu with reg <1>", "0, 1, 2"),
    "memory that overlaps": ({"memory": "0 0x40000000 0 0x400000 0 0x40200000 0 0x400000"},
                             "/vms/rt:memory", "overlap the block at 0x40000000", "addresses"),
    "memory in pieces": ({"memory": "0 0x40000000 0 0x401000"}, "/vms/rt:memory",
                         "not whole blocks", "2 MiB"),
    "more memory than the board has": ({"memory": "0 0x40000000 0 0x80000000"},
                                       "/vms/rt:memory", "no room for 2048 MiB", "at most "),
    "a core that is not there": ({"vcpu": "core = <4>;"}, "/vms/rt/vcpus/vcpu@0:core", "the board has 4", "0 to 3"),
    "Q > D": ({"vcpu": "budget-us = <600>; period-us = <1000>; deadline-us = <500>;"}, "/vms/rt/vcpus/vcpu@0:budget-us",
              "600 is more than deadline-us, 500", "at most 500"),
    "D > T": ({"vcpu": "budget-us = <200>; period-us = <1000>; deadline-us = <1500>;"},
              "/vms/rt/vcpus/vcpu@0:deadline-us", "1500 is more than period-us, 1000", "at most 1000"),
    "zero budget": ({"vcpu": "budget-us = <0>; period-us = <1000>;"}, "/vms/rt/vcpus/vcpu@0:budget-us", "0 is too small",
                    "10 to "),
    "too small budget": ({"vcpu": "budget-us = <9>; period-us = <1000>;"}, "/vms/rt/vcpus/vcpu@0:budget-us",
                         "9 is too small", "10 to "),
    "image too large": ({"rt": "type = \"raw\"; load-address = <0x0 0x403f8000>;"}, "/vms/rt:kernel", "too large",
                        "more memory"),
    "load that is refused": ({"vcpus": f"vcpu@1 {{ reg = <1>; {BUSY} }};"}, "/vms/rt/vcpus/vcpu@1:budget-us",
                             "core 1 cannot keep it: within ", "budget-us at most "),
    "a device of the hypervisor": ({"nodes": "devices { u { device = \"/pl011@9000000\"; }; };"},
                                   "/vms/rt/devices/u:device", "console UART", "another UART"),
    "a device that does DMA": ({"nodes": "devices { f { device = \"/fw-cfg@9020000\"; }; };"},
                               "/vms/rt/devices/f:device", "DMA", "unprotected-dma"),
    "an interrupt without a rate": ({"nodes": "devices { c { device = \"/pl031@9010000\"; }; };"},
                                    "/vms/rt/devices:irq-distance-us", "no known rate", "how far apart"),
    "focus on nobody": ({"root": "console-focus = \"ghost\";"}, "/:console-focus", "no VM \"ghost\"", "a node in /vms"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told(takt, write, name):
    changes, place, wrong, remedy = MISTAKES[name]
    source = write(**changes)
    result = takt.check(source)
    assert result.returncode == 1
    assert any(line.startswith(f"{source}:{place}: ") and wrong in line and remedy in line.split(wrong, 1)[1]
               for line in result.stdout.splitlines()), result.stdout


def test_all_mistakes_are_told_at_once(takt, write):
    source = write(root="determinstic;", rt="restart = \"sometimes\";", vcpu="core = <9>;",
                   nodes="devices { c { device = \"/nowhere\"; }; };", vms="x { };")
    lines = takt.check(source).stdout.splitlines()
    for place in ("/:determinstic", "/vms/rt:restart", "/vms/rt/vcpus/vcpu@0:core", "/vms/rt/devices/c:device",
                  "/vms/x:memory", "/vms/x:kernel", "/vms/x"):
        assert any(line.startswith(f"{source}:{place}: ") for line in lines), (place, lines)


# ---- the packer ------------------------------------------------------------------------------------------------------

def test_every_missing_file_is_told(takt, write):
    source = write(kernel="nothing.bin", rt='initrd = "nor-this.img";')
    result = takt.pack_result(source, takt.folder / "my.itb")
    assert result.returncode == 1
    assert f'{source}:/vms/rt:kernel: cannot read "nothing.bin": No such file or directory' in result.stderr
    assert f'{source}:/vms/rt:initrd: cannot read "nor-this.img": No such file or directory' in result.stderr
    assert not (takt.folder / "my.itb").exists()


def test_a_missing_file_is_told_with_all_else(takt, write):
    source, itb = write(kernel="nothing.bin", vcpu="core = <9>;"), takt.folder / "my.check.itb"
    packed = takt.pack_result(source, itb, partial=True)
    assert packed.returncode == 0
    assert f'looked for "nothing.bin" at {takt.folder.resolve() / "nothing.bin"}: No such file' in packed.stderr
    told = takt.check_image(itb.with_suffix(".system.itb")).stdout
    assert f"{source}:/vms/rt:kernel: " in told and "nothing.bin" in told, told
    assert f"{source}:/vms/rt/vcpus/vcpu@0:core: " in told, told


@pytest.mark.boards("qemu-x86")
def test_a_pcs_kernel_may_be_an_elf_file(takt):
    source = takt.write("elf.dts", libtakt.system(takt.vm("rt", takt.guest("rtprobe.elf"), [libtakt.on_core(0)])))
    for partial in (False, True):
        result = takt.pack_result(source, takt.folder / "elf.itb", partial=partial)
        assert result.returncode == 0, result.stderr


def test_an_elf_file_is_no_kernel(takt, write):
    result = takt.pack_result(write(kernel=takt.guest("rtprobe.elf")), takt.folder / "my.itb")
    assert result.returncode == 1
    assert "/vms/rt:kernel: " in result.stderr and "is an ELF file" in result.stderr and "objcopy -O binary" in result.stderr
    assert not (takt.folder / "my.itb").exists()
    itb = takt.folder / "my.check.itb"
    result = takt.pack_result(write(kernel=takt.guest("rtprobe.elf"), vcpu="core = <9>;"), itb, partial=True)
    assert result.returncode == 1 and "is an ELF file" in result.stderr
    assert "/vms/rt/vcpus/vcpu@0:core: " in takt.check_image(itb.with_suffix(".system.itb")).stdout


def test_a_cpu_that_nobody_tried_is_refused(takt):
    with pytest.raises(machine.MachineError, match="'cortex-a15' is not one .* cortex-a53, cortex-a57, cortex-a76, max"):
        takt.machine(cpu="cortex-a15")


def test_what_dtc_says_is_passed_on(takt):
    source = takt.write("bad.dts", "/dts-v1/;\n/ {\n    compatible = ;\n};\n")
    result = takt.pack_result(source, takt.folder / "bad.itb")
    assert result.returncode == 1
    assert "bad.dts:3" in result.stderr and "syntax error" in result.stderr


def test_duplicate_names_are_found_by_dtc(takt, write):
    result = takt.pack_result(write(vms="rt { }; rt { };"), takt.folder / "my.itb")
    assert result.returncode == 1
    assert "duplicate_node_names" in result.stderr or "Duplicate node name" in result.stderr


def test_files_are_relative_to_the_description_and_packed_once(takt, write):
    shutil.copy(takt.program("rtprobe"), takt.folder / "a.bin")
    twin = ("twin { memory = <0 0x40000000 0 0x400000>; kernel = \"./a.bin\"; vcpus { vcpu@0 { reg = <0>; }; }; };")
    source = write(kernel="a.bin", vms=twin)
    result = takt.check(source)
    assert result.returncode == 0, result.stdout
    size = (takt.folder / "a.bin").stat().st_size
    assert size < (takt.folder / "my.system.itb").stat().st_size < size + 8192


def test_included_descriptions_work(takt, write):
    write()
    source = takt.write("outer.dts", '/include/ "my.dts"\n/ { vms { rt { bootargs = "mode=boot"; }; }; };\n')
    result = takt.check(source)
    assert result.returncode == 0, result.stdout


# ---- damaged images --------------------------------------------------------------------------------------------------

def damaged(takt, write, change):
    """The checker's answer to an image that `change` has been at."""
    itb = takt.pack(write()).with_suffix(".system.itb")
    itb.write_bytes(change(bytearray(itb.read_bytes())))
    return takt.check_image(itb)


@pytest.mark.parametrize("kept", (0, 39, 1000, -8))
def test_a_truncated_image_is_refused(takt, write, kept):
    result = damaged(takt, write, lambda image: image[:kept])
    assert result.returncode == 1
    assert "is no system image, or truncated" in result.stdout


def test_a_damaged_guest_file_is_refused(takt, write):
    kernel = pathlib.Path(takt.program("rtprobe")).read_bytes()

    def change(image):
        image[image.index(kernel[:4096]) + 4000] ^= 1
        return image

    result = damaged(takt, write, change)
    assert result.returncode == 1
    assert result.stdout.startswith("image:/images/file-0:data: ") and "does not match its SHA-256" in result.stdout


def test_a_damaged_description_is_not_read(takt, write):
    def change(image):
        image[image.index(b"console-focus") if b"console-focus" in image else image.index(b"takt,system-1")] ^= 1
        return image

    result = damaged(takt, write, change)
    assert result.returncode == 1
    assert result.stdout.startswith("image:/images/system:data: ")
    assert len(result.stdout.splitlines()) == 1


def test_something_else_is_no_image(takt):
    path = takt.folder / "other.itb"
    path.write_bytes(b"not an image at all " * 100)
    result = takt.check_image(path)
    assert result.returncode == 1
    assert "is no system image" in result.stdout


def test_what_cannot_be_read_is_no_mistake_of_the_system(takt):
    result = takt.check_image(takt.folder / "nowhere.itb")
    assert result.returncode == 2
    assert "No such file" in result.stdout


# ---- the same in the hypervisor --------------------------------------------------------------------------------------

def test_the_hypervisor_says_the_same_and_starts_nothing(takt, write):
    source = write(vcpu="core = <9>;", rt="spis = <40>;")
    with takt.boot(source) as console:
        console.expect(r"/vms/rt/vcpus/vcpu@0:core: there is no core 9: the board has 4; .* 0 to 3")
        console.expect("/vms/rt:spis: 40 is not a multiple of 32; 64")
        console.expect("nothing is started")

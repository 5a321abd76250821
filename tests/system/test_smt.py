# SPDX-License-Identifier: Apache-2.0
"""A machine whose cores have two threads: one of each is used, unless the description says `smt`; then a core with both of
them belongs to one VM, and no bound is promised."""
import libtakt
import pytest

pytestmark = pytest.mark.boards("qemu-x86")
MACHINE = {"cores": 2, "threads": 2}


def pair(takt, first, second, root):
    """Two VMs: cores of the first's two VCPUs, the first of which has a reservation, and of the second's one."""
    vcpus = [libtakt.reserved(first[0]), libtakt.on_core(first[1])]
    return takt.write("pair.dts", libtakt.system(
        takt.vm("rt", takt.program("rtprobe"), vcpus, "mode=probe"),
        takt.vm("load", takt.program("matmul"), [libtakt.on_core(second)], "seed=7"), root=root))


def runs(console):
    console.expect_vm("rt", r"count \d+ lateness", 60)
    console.expect_vm("load", r"round \d+ checksum \w+ ok", 60)
    cpus = console.monitor("cpus", 60)
    assert console.quit() == 0
    return sum(line.split()[0].isdigit() for line in cpus.splitlines() if line.split())


def test_one_thread_of_each_core_is_used(takt):
    with takt.boot(pair(takt, (0, 1), 1, ""), 120, **MACHINE) as console:
        console.seen(r"\[takt\] Takt on PC: 2 cores", 60)
        console.seen("cores: 2 further threads of them stay unused, as without `smt`", 30)
        assert runs(console) == 2


def test_with_smt_both_threads_run_one_vm_and_nothing_is_promised(takt):
    description = pair(takt, (0, 2), 1, "smt;")
    result = takt.check(description, **MACHINE)
    assert result.returncode == 0 and "withdrawn" in result.stdout and "promised" not in result.stdout, result.stdout
    with takt.boot(description, 120, **MACHINE) as console:
        report = console.seen(r"\[takt\] Takt on PC: 4 cores(?s:.*?)admitted, but no bound holds(?s:.*?)overhead: ", 60).group()
        rows = [line.split() for line in report.splitlines()]
        assert [row[1] for row in rows if row[2:4] == ["rt", "0"]] == ["0"] and "withdrawn" in report
        assert [row[1] for row in rows if row[2:4] == ["rt", "1"]] == ["2"], report
        assert "every budget" not in report
        assert runs(console) == 4


def test_two_vms_on_one_core_s_threads_are_refused(takt):
    description = pair(takt, (0, 1), 2, "smt;")
    wrong = "/vms/load/vcpus/vcpu@0:core: core 2 is a thread of one that rt has"
    result = takt.check(description, **MACHINE)
    assert result.returncode == 1 and wrong in result.stdout and "another core, or remove smt" in result.stdout, result.stdout
    with takt.boot(description, 60, **MACHINE) as console:
        console.seen(wrong, 60)
        console.seen("nothing is started")

# SPDX-License-Identifier: Apache-2.0
"""What the machine itself raises stops the hypervisor with a report."""
import json
import socket
import tempfile

import libtakt
import pytest

# Of core 0, bank 1: uncorrected, valid, context corrupt (SDM volume 3, 15.3.2.2); the instruction cannot go on (15.3.1.2).
MACHINE_CHECK = "mce 0 1 0xbe00000000000000 0x7 0x1000 0x8c"


def tell(path, command):
    """A command for the monitor of QEMU itself, through its QMP socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        connection.connect(path)
        stream = connection.makefile("rw", encoding="utf-8")
        stream.readline()
        for request in ({"execute": "qmp_capabilities"},
                        {"execute": "human-monitor-command", "arguments": {"command-line": command}}):
            stream.write(json.dumps(request) + "\n")
            stream.flush()
            answer = next(line for line in stream if '"event"' not in line)
            assert "return" in json.loads(answer), answer


@pytest.mark.boards("qemu-x86")
def test_a_machine_check_is_told(takt):
    wrong = libtakt.system(takt.vm("one", takt.program("rtprobe"), [libtakt.reserved(0)], "mode=probe",
                                     more="spis = <40>;"))
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/qmp"
        with takt.boot(takt.write("wrong.dts", wrong), cores=1,
                       extra=["-qmp", f"unix:{path},server=on,wait=off"]) as console:
            console.seen("nothing is started", 60)
            console.panic_expected = True
            tell(path, MACHINE_CHECK)
            console.seen(r"\[takt\] PANIC on core 0: exception 18 in the hypervisor\n(?:.*\n)+"
                         r"\[takt\]   vector 0{14}12  error 0{16}  rip ffffffff8[0-9a-f]{7}\n", 30)

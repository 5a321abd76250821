# SPDX-License-Identifier: Apache-2.0
"""What the linked hypervisor must look like, instruction by instruction."""
import re
import subprocess

BARRIER = "dsb\tish"


def test_each_broadcast_tlbi_and_its_barrier_stand_twice(takt):
    """Cortex-A76 erratum 1286807: the second one is what makes the first one true."""
    listing = subprocess.run(["aarch64-linux-gnu-objdump", "-d", "--no-show-raw-insn",
                              str(takt.hypervisor.with_suffix(".elf"))], capture_output=True, text=True, check=True,
                             timeout=120).stdout
    code = re.findall(r"(?m)^ *[0-9a-f]+:\t(.*?)\s*$", listing)
    places = [i for i, instruction in enumerate(code) if re.match(r"tlbi\t\w+is\b", instruction)]
    assert {code[i].split()[1].strip(",") for i in places} >= {"vae2is", "vmalls12e1is"}
    for first, second in zip(places[::2], places[1::2], strict=True):
        assert second == first + 2 and code[first] == code[second], code[first:second + 1]
        assert code[first + 1] == code[second + 1] == BARRIER
        assert code[second + 2] == "isb"

# SPDX-License-Identifier: Apache-2.0
"""The examples in the documents, as they stand there."""
import re
import subprocess

import libtakt
import pytest


def blocks(path, language):
    text = (libtakt.ROOT / path).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


PAGE = "docs/writing-guests.md"


def test_the_guest_of_writing_guests(takt):
    lives_as_told(takt, "hello.S", blocks(PAGE, "asm")[0], blocks(PAGE, "sh")[0], blocks(PAGE, "dts")[0], "hello from my own guest")


@pytest.mark.boards("qemu-x86")
def test_the_guest_in_c(takt):
    commands = next(block for block in blocks(PAGE, "sh") if "-m32" in block).replace("path/to/takt", str(libtakt.ROOT))
    lives_as_told(takt, "hello.c", blocks(PAGE, "c")[0], commands, blocks(PAGE, "dts")[1], "hello from C, on the Takt I know")


def lives_as_told(takt, name, source, commands, description, line):
    takt.write(name, source)
    for command in commands.splitlines():
        subprocess.run(command.split(), cwd=takt.folder, check=True, timeout=60)
    system = takt.write("hello.dts", description)
    assert takt.check(system).returncode == 0
    with takt.boot(system) as console:
        console.seen_vm("hello", line, 60)
        console.seen(r"\[takt\] hello: the guest powered itself off", 30)
        console.vm_reaches("hello", "off")  # said before its memory is scrubbed
        console.monitor("start hello")
        console.expect_vm("hello", line)
        assert console.quit() == 0

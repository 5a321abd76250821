# SPDX-License-Identifier: Apache-2.0
"""The examples in the documents, as they stand there."""
import re
import subprocess

import libtakt


def blocks(path, language):
    text = (libtakt.ROOT / path).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_guest_of_writing_guests(takt):
    page = "docs/writing-guests.md"
    takt.write("hello.S", blocks(page, "asm")[0])
    for command in blocks(page, "sh")[0].splitlines():
        subprocess.run(command.split(), cwd=takt.folder, check=True, timeout=60)
    system = takt.write("hello.dts", blocks(page, "dts")[0])
    assert takt.check(system).returncode == 0
    with takt.boot(system) as console:
        console.seen_vm("hello", "hello from my own guest", 60)
        console.seen(r"\[takt\] hello: the guest powered itself off", 30)
        console.monitor("start hello")
        console.expect_vm("hello", "hello from my own guest")
        assert console.quit() == 0

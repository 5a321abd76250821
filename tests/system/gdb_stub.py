# SPDX-License-Identifier: Apache-2.0
"""QEMU's gdb server, as far as tests need it to break a running hypervisor: the product has no way to do that itself.

    stub = GdbStub(takt.arch)
    with takt.boot(system, extra=stub.options) as console:
        with stub.stopped() as machine:      # all cores stand still
            machine.write(address, code)     # as a core sees it that is in the hypervisor now
            machine.program_counters()       # of every core

Protocol: GDB manual, appendix "GDB Remote Serial Protocol".
"""
import contextlib
import pathlib
import socket
import tempfile
import time

# By architecture: the number of the program counter in gdb's description of the processor, and where the hypervisor's
# addresses begin (layout.h of the architecture); no guest's of ours are as high.
PC = {"arm64": 32, "x86": 16}
BASE = {"arm64": 1 << 47, "x86": 0xFFFFFFFF80000000}


class GdbStub:
    def __init__(self, arch):
        self._arch = arch
        self._folder = tempfile.TemporaryDirectory()  # a socket's path must be short
        self.path = pathlib.Path(self._folder.name) / "gdb"
        self.options = ("-gdb", f"unix:{self.path},server=on,wait=off")

    @contextlib.contextmanager
    def stopped(self, seconds=20):
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(seconds)
            self._connect(link, time.monotonic() + seconds)
            machine = StoppedMachine(link, self._arch)
            yield machine
            machine.command("D")  # detach: it runs on

    def _connect(self, link, until):
        while True:
            try:
                return link.connect(str(self.path))
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)


class StoppedMachine:
    def __init__(self, link, arch):
        self._link, self._arch = link, arch
        self.command("?")
        self.threads = []
        answer = self.command("qfThreadInfo")
        while answer.startswith("m"):
            self.threads += answer[1:].split(",")
            answer = self.command("qsThreadInfo")

    def command(self, text):
        """Sends a packet and returns the answer's text; a notice that the machine stopped is passed over."""
        self._link.sendall(f"${text}#{sum(text.encode()) % 256:02x}".encode())
        while True:
            answer = self._packet()
            if text == "?" or not answer.startswith(("T", "S")):
                return answer

    def _packet(self):
        data = b""
        while not (data.count(b"#") == 1 and data[-3:-2] == b"#"):
            byte = self._link.recv(1)
            assert byte, "the gdb server closed the connection"
            data += byte if data or byte == b"$" else b""
        self._link.sendall(b"+")
        return data[1:-3].decode()

    def _done(self, text):
        answer = self.command(text)
        assert answer == "OK", f"gdb server: {text}: {answer}"

    def _pc(self, thread):
        self._done(f"Hg{thread}")
        return int.from_bytes(bytes.fromhex(self.command(f"p{PC[self._arch]:x}")), "little")

    def program_counters(self):
        return [self._pc(thread) for thread in self.threads]

    def write(self, address, data):
        for thread in self.threads:
            if self._pc(thread) >= BASE[self._arch]:  # it stays the one whose memory is meant
                self._done(f"M{address:x},{len(data):x}:{data.hex()}")
                return
        raise AssertionError("no core is in the hypervisor")

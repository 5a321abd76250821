# SPDX-License-Identifier: Apache-2.0
"""The console of a running Takt, driven by a program: keys, monitor commands and what is printed, in one place.

Everything that kernel/console.c and kernel/monitor.c define and that a script must know stands in the constants here.
"""
import collections
import pathlib
import random
import re
import signal
import time

import pexpect

ESCAPE = "\x1d"  # Ctrl-]
KEY_MONITOR = "m"
KEY_HELP = "?"
MONITOR_PROMPT = "takt> "
ENTER = "\r"
CLOSE_SECONDS = 10
PACED_CHARS = 8  # half of a 16550's buffer

STARTED = re.compile(r"(?m)^-- input goes to ")
PANIC = re.compile(r"(?m)^\[takt\] PANIC on core .*\n")
VM_LINE = re.compile(r"\[\S+\] ")
# A piece of a line: the source, whether it goes on with a line that was cut, and the text.
PIECE = re.compile(r"\[([^]\n]+)\]([ +])(.*)")
# What the monitor prints for one command, up to its next prompt: at least one line that is neither a guest's, nor the
# prompt again (shown anew when other output broke the typed line, maybe behind what was typed since), nor a piece of what
# was typed, nor a notice about the focus.
ANSWER = r"(?m)^(?!.*takt> |\[\S+\] |-- |(?:{typed})$).+\n(?:.*\n)*?takt> "
# A row of the monitor's `vms`: number (the focus key), name, state ...
VM_ROW = re.compile(r"^ *(\d+) +([\w.-]+) +(running|stopped|stopping|failed|off|loading)\b", re.MULTILINE)
# A row of the monitor's `misses`: VM, VCPU, activations, misses of the hypervisor's own making, of the machine's.
BUDGET_ROW = re.compile(r"^ *([\w.-]+) +(\d+) +(\d+) +(\d+) +\d+ *$", re.MULTILINE)
VmRow = collections.namedtuple("VmRow", "state starts restarts reason")
BudgetRow = collections.namedtuple("BudgetRow", "vcpu activations own")


class ConsoleError(AssertionError):
    """What was waited for, how long, and the last that was seen."""


def prefix(vm):
    """Matches the start of a line that the VM printed."""
    return rf"(?m:^)\[{re.escape(vm)}\] "


def budget_rows(answer):
    """The rows of the monitor's `misses`."""
    return [BudgetRow(f"{vm}/{vcpu}", int(activations), int(own))
            for vm, vcpu, activations, own in BUDGET_ROW.findall(answer)]


class Console:
    """One emulated machine with Takt on its serial line. Every wait is bounded, and all of them together by `budget` seconds.

    `text` is everything that was printed, line ends made \\n; a line that was cut short by another source stands in it
    in pieces, each with all that came before it: the last is whole. `position` is how far expect() has come in it.
    """

    def __init__(self, command, log_path, budget=120, pace=0):
        self._pace = pace  # seconds between every few characters of a line, where the machine's UART would lose some
        self.panic_expected = False  # a test of the panic itself says True; anybody else's wait ends with one
        self.text = ""
        self._whole = ""  # text up to its last line end
        self._rest = ""  # what was printed since, as it came
        self._last = {}  # each source's last line, as far as it came
        self.position = 0
        self.status = None  # the emulator's exit status, once it has ended
        self.log_path = pathlib.Path(log_path)
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        self._log = open(self.log_path, "w", encoding="utf-8", errors="replace")
        self._end = time.monotonic() + budget
        self._budget = budget
        self.process = pexpect.spawn(command[0], command[1:], encoding="utf-8", codec_errors="replace", echo=False)
        self.process.delaybeforesend = None

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.close()

    # ---- reading -----------------------------------------------------------------------------------------------------
    def read_raw(self, seconds):
        """What comes next, logged but not kept in `text`: for answers of a megabyte. None when the emulator has ended."""
        try:
            new = self.process.read_nonblocking(65536, timeout=max(seconds, 0))
        except pexpect.TIMEOUT:
            return ""
        except pexpect.EOF:
            if self.status is None:
                self.process.wait()
                self.status = self.process.exitstatus if self.process.exitstatus is not None else -1
            return None
        new = new.replace("\r", "")
        self._log.write(new)
        self._log.flush()
        return new

    def _read_more(self, seconds):
        """Reads what there is; False when the emulator has ended."""
        new = self.read_raw(seconds)
        if not new:
            return new is not None
        *lines, self._rest = (self._rest + new).split("\n")
        for line in lines:
            self._whole += self._joined(line, True) + "\n"
        self.text = self._whole + self._joined(self._rest, False)
        return True

    def _joined(self, line, ended):
        """The line with what its source had printed of it before it was cut."""
        piece = PIECE.match(line)
        if not piece:
            return line
        source, mark, text = piece.groups()
        if mark == "+":
            text = self._last.get(source, "") + text
        if ended:
            self._last[source] = text
        return f"[{source}] {text}"

    def lines_of(self, vm):
        """Every whole line of a VM, or of one of its consoles, once."""
        lines = []
        for line in self.log_path.read_text(encoding="utf-8").splitlines():
            piece = PIECE.match(line)
            if piece and piece[1] == vm:
                lines.append((lines.pop() if piece[2] == "+" else "") + piece[3])
        return lines

    def _wait(self, start, pattern, timeout, what):
        compiled = re.compile(pattern)
        now = time.monotonic()
        until = min(now + timeout, self._end)
        alive = True
        while True:
            match = compiled.search(self.text, start)
            if match:
                return match
            left = until - time.monotonic()
            if PANIC.search(self.text) and not self.panic_expected:
                self._read_more(1)  # the registers that follow
                raise ConsoleError(f"waited for {what or repr(pattern)}: the hypervisor stopped itself. Last lines "
                                   f"({self.log_path}):\n" + self.tail(40))
            if not alive or left <= 0:
                why = f"the emulator ended with status {self.status}" if not alive else f"nothing within {until - now:.0f} s"
                if until == self._end and alive:
                    why += f" (the run's {self._budget} s are used up)"
                raise ConsoleError(f"waited for {what or repr(pattern)}: {why}. Last lines ({self.log_path}):\n"
                                   + self.tail())
            alive = self._read_more(left)

    def expect(self, pattern, timeout=30, what=None):
        """Waits for a regular expression after what earlier calls matched; returns its match. To mean a whole line, end
        it with \\n: $ matches where a line has not come to its end yet."""
        match = self._wait(self.position, pattern, timeout, what)
        self.position = match.end()
        return match

    def expect_vm(self, vm, pattern, timeout=30, what=None):
        """As expect, for a whole line of the VM that contains the pattern."""
        return self.expect(prefix(vm) + rf"[^\n]*?{pattern}[^\n]*\n", timeout, what or f"{vm} to print {pattern!r}")

    def seen(self, pattern, timeout=30, what=None):
        """Waits until the pattern stands anywhere in what was printed since the start; position stays."""
        return self._wait(0, pattern, timeout, what)

    def seen_vm(self, vm, pattern, timeout=30):
        """As seen, for a whole line of the VM."""
        return self.seen(prefix(vm) + rf"[^\n]*?{pattern}[^\n]*\n", timeout, f"{vm} to print {pattern!r}")

    def expect_end(self, timeout=30):
        """Waits for the machine to be switched off; returns the emulator's exit status."""
        until = min(time.monotonic() + timeout, self._end)
        while self._read_more(until - time.monotonic()):
            if time.monotonic() >= until:
                raise ConsoleError(f"the machine did not switch off within {timeout} s. Last lines:\n" + self.tail())
        return self.status

    def tail(self, lines=25):
        return "\n".join("    " + line for line in self.text.splitlines()[-lines:])

    # ---- typing ------------------------------------------------------------------------------------------------------
    def _escape(self, key):
        """Presses Ctrl-] and a key, once there is somebody to take them: what is typed before that may be lost."""
        self.seen(STARTED, 60, "the console to start")
        self.process.send(ESCAPE + key)

    def focus(self, number):
        """Gives the input to the VM with this number."""
        self._escape(str(number))

    def type_line(self, text):
        line = text + ENTER
        step = PACED_CHARS if self._pace else len(line)
        for at in range(0, len(line), step):
            if at:
                self._read_more(self._pace)
                time.sleep(self._pace)
            self.process.send(line[at:at + step])

    def type_until(self, key, pattern, timeout, what=None):
        """Types the key again and again, some ten milliseconds apart, until the pattern is printed; returns its match."""
        until = min(time.monotonic() + timeout, self._end)
        while not re.compile(pattern).search(self.text, self.position) and time.monotonic() < until:
            self.process.send(key)
            if not self._read_more(0.01):
                break
        return self.expect(pattern, 1, what)

    def open_monitor(self, timeout=30):
        self._escape(KEY_MONITOR)
        self.expect(re.escape(MONITOR_PROMPT), timeout, "the monitor's prompt")

    def monitor(self, command, timeout=30):
        """Opens the monitor, gives one command, returns what the monitor printed (VM output taken out)."""
        self.open_monitor(timeout)
        self.type_line(command)
        # What was typed stands alone on a line, in pieces, where other output came between it and the prompt.
        typed = {command[i:j] for i in range(len(command)) for j in range(i + 1, len(command) + 1)}
        pattern = ANSWER.replace("{typed}", "|".join(map(re.escape, typed)))
        answer = self.expect(pattern, timeout, f"the monitor's answer to '{command}'").group()
        return "\n".join(line for line in answer.splitlines()[:-1] if not VM_LINE.match(line) and line not in typed)

    def stop_vm(self, vm, timeout=30):
        """Stops a VM through the monitor; returns its row."""
        answer = self.monitor(f"stop {vm}", timeout)
        if "is being stopped" not in answer:
            raise ConsoleError(f"the monitor does not stop {vm}: {answer}")
        return self.vm_reaches(vm, "stopped", timeout)

    def vm_numbers(self):
        """{name: focus number} of all VMs, as the monitor lists them."""
        return {name: int(number) for number, name, _state in VM_ROW.findall(self.monitor("vms"))}

    def vm_row(self, vm):
        """What the monitor's `vms` says of a VM: state, starts, restarts by policy, and how it ended last."""
        answer = self.monitor("vms")
        for line in answer.splitlines():
            words = line.split(maxsplit=7)
            if len(words) == 8 and words[1] == vm:
                return VmRow(words[2], int(words[3]), int(words[4]), words[7])
        raise ConsoleError(f"the monitor lists no VM '{vm}':\n{answer}")

    def vm_reaches(self, vm, state, timeout=30):
        """Asks until the VM is in that state, or one of those; returns its row."""
        states = (state,) if isinstance(state, str) else state
        until = time.monotonic() + timeout
        while True:
            row = self.vm_row(vm)
            if row.state in states:
                return row
            if time.monotonic() > until:
                raise ConsoleError(f"{vm} is {row}, not {state}, after {timeout} s. Last lines:\n" + self.tail())
            self._read_more(0.2)

    def challenge(self, vm, number, timeout=30):
        """Asks the shell of a VM for a product that does not stand in the question."""
        a, b = random.randint(1000, 9999), random.randint(1000, 9999)
        self.focus(number)
        self.type_line(f"echo answer=$(({a}*{b}))")
        answer = rf"(?m:^)\[{re.escape(vm)}(?::hvc0)?\] [^\n]*?answer={a * b}\b[^\n]*\n"
        self.expect(answer, timeout, f"a shell of {vm} to answer {a}*{b}")

    def quit(self, timeout=30):
        """Switches the machine off through the monitor; returns the emulator's exit status."""
        self.open_monitor(timeout)
        self.type_line("quit")
        return self.expect_end(timeout)

    def close(self):
        # Gone before pexpect looks: it gives a process that ends a tenth of a second, which a busy machine may not have.
        if self.process.isalive():
            self.process.kill(signal.SIGKILL)
            end = time.monotonic() + CLOSE_SECONDS
            while self.process.isalive() and time.monotonic() < end:
                time.sleep(0.01)
        self.process.close(force=True)
        self._log.close()

"""A terminal of a test's own: a program runs on a pseudo-terminal, and its screen is read."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from farswitch.deadline import Deadline

ROOT = Path(__file__).parents[1]
SECONDS = 120.0
"""For a whole program; the ones of our tests take three on a machine with nothing else to do."""
_CODE = re.compile(r"\x1b\[(\??)([0-9;]*)([A-Za-z])|\x1b")


@dataclass
class Terminal:
    """What is on the screen; it knows the codes that our views send, and refuses others."""

    columns: int
    rows: int
    lines: list[str] = field(default_factory=lambda: [""])
    scrolled: list[str] = field(default_factory=list)
    """Lines that the screen had no room for any more."""
    wrapped: list[str] = field(default_factory=list)
    """Lines that went on in the next one, as they were wider than the screen."""
    raw: str = ""
    row: int = 0
    column: int = 0
    _partial: str = ""

    def feed(self, text: str) -> None:
        """Show what a program wrote."""
        self.raw += text
        text = self._partial + text
        start = text.rfind("\x1b")
        whole = start < 0 or re.match(r"\x1b\[\??[0-9;]*[A-Za-z]", text[start:])
        text, self._partial = (text, "") if whole else (text[:start], text[start:])
        position = 0
        for code in _CODE.finditer(text):
            self._write(text[position : code.start()])
            self._obey(code)
            position = code.end()
        self._write(text[position:])

    def shown(self) -> list[str]:
        """Return the lines of the screen, without those below the last that has something."""
        lines = [line.rstrip() for line in self.lines]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def _obey(self, code: re.Match[str]) -> None:
        private, number, letter = code.groups()
        if letter == "A":
            assert self.row >= int(number or 1), "above the top of the screen"
            self.row -= int(number or 1)
        elif letter == "K" and number == "2":
            self.lines[self.row] = ""
        elif not (letter == "m" or (private and number == "25" and letter in "hl")):
            raise AssertionError(f"an order that no view of ours gives: {code[0]!r}")

    def _write(self, text: str) -> None:
        for char in text:
            if char == "\r":
                self.column = 0
            elif char == "\n":
                self._down()
            else:
                if self.column == self.columns:
                    self.wrapped.append(self.lines[self.row])
                    self.column = 0
                    self._down()
                line = self.lines[self.row].ljust(self.column)
                self.lines[self.row] = line[: self.column] + char + line[self.column + 1 :]
                self.column += 1

    def _down(self) -> None:
        if self.row == self.rows - 1:
            self.scrolled.append(self.lines.pop(0))
            self.lines.append("")
        else:
            self.row += 1
            if self.row == len(self.lines):
                self.lines.append("")


def run_on_terminal(
    argv: Sequence[str],
    *,
    columns: int = 80,
    rows: int = 24,
    env: Mapping[str, str] | None = None,
    look: Callable[[Terminal], object] = lambda _terminal: None,
    stdout: Any = None,
) -> tuple[int, Terminal]:
    """Run a program to its end; return its exit code and its terminal.

    Args:
        argv: The program.
        columns: Of the terminal.
        rows: Of the terminal.
        env: What is set besides; NO_COLOR and what speaks of terminals is not there otherwise.
        look: Is shown the terminal whenever something was written.
        stdout: Where standard output goes, if not to the terminal.
    """
    near, far = pty.openpty()
    fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    odd = ("NO_COLOR", "FORCE_COLOR", "TTY_", "COLUMNS", "LINES", "LC_", "LANG", "COLORTERM")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(odd)}
    terminal = Terminal(columns, rows)
    deadline = Deadline(SECONDS)
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    with subprocess.Popen(
        argv,
        cwd=ROOT,
        env={**clean, "TERM": "xterm-256color", "LANG": "C.UTF-8", **(env or {})},
        stdin=far,
        stdout=far if stdout is None else stdout,
        stderr=far,
    ) as process:
        os.close(far)
        try:
            while block := _read(near, deadline):
                terminal.feed(decoder.decode(block))
                look(terminal)
            return process.wait(timeout=60), terminal
        finally:
            process.kill()
            os.close(near)


def _read(near: int, deadline: Deadline) -> bytes:
    """Return what came, and nothing at the end: Linux reports EIO when the far end is closed."""
    if not select.select([near], [], [], deadline.remaining())[0] or deadline.passed():
        raise TimeoutError
    try:
        return os.read(near, 1 << 16)
    except OSError:
        return b""

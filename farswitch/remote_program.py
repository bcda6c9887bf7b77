"""One protocol for programs that go on on other machines: a JSON document a line, each way."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from typing import Self, TypeVar

from pydantic import BaseModel, ValidationError

from farswitch.connections.shell.base import Shell
from farswitch.connections.shell.protocol import LONGEST_LINE
from farswitch.deadline import Deadline
from farswitch.errors import FarswitchError

BLOCK = 1 << 16
MOST_LINES = 10_000
"""Messages that may wait to be received."""
SHOWN = 200
"""Bytes of an unknown message that an error quotes."""
Message = TypeVar("Message", bound=BaseModel)


class RemoteProgramError(FarswitchError):
    """A program ended, did not report in time, or reported something else."""


class RemoteProgram:
    """A program on a host, from the start of a `with` block to its end.

    Args:
        shell: The host.
        argv: The program; see `farswitch.remote.command` for one of ours.
        name: What messages call it.
        seconds: When it is ended in any case, also where it takes in nothing any more.
        hint: What to do when it fails.
    """

    def __init__(
        self, shell: Shell, argv: Sequence[str], *, name: str, seconds: float, hint: str = ""
    ) -> None:
        self._shell, self._argv, self._hint = shell, tuple(argv), hint
        self._name = f"The {name} on '{shell.host}'"
        self._seconds, self._overlong = seconds, False
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        """Start it.

        Raises:
            ConnectionLostError: The host cannot be logged in to.
        """
        self._process = self._shell.start(self._argv)
        self._call_off = Deadline(self._seconds).watch(self._process.close)
        threading.Thread(target=self._pump, name=self._name, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it: its input and output are closed."""
        self._call_off()
        self._process.close()

    def send(self, message: BaseModel) -> None:
        """Send a message.

        Raises:
            RemoteProgramError: It has ended.
        """
        try:
            self._process.write(f"{message.model_dump_json()}\n".encode())
        except (OSError, EOFError, ValueError) as error:
            raise self._ended() from error

    def receive(self, kind: type[Message], seconds: float | None = None) -> Message:
        """Return the next message; lines of its libraries, which are no JSON, are passed over.

        Args:
            kind: What it has to be.
            seconds: How long to wait for it; until the program is ended when not given.

        Raises:
            RemoteProgramError: It ended, reported something else, or nothing in time.
        """
        deadline = Deadline(self._seconds if seconds is None else seconds)
        while True:
            try:
                with deadline.awaited():
                    line = self._lines.get(timeout=max(0.001, deadline.remaining()))
            except queue.Empty:
                if not deadline.passed():
                    continue
                raise self._error(f"did not report '{kind.__name__}' in time") from None
            if line is None:
                self._lines.put(None)  # for the next call
                raise self._ended()
            if not line.startswith(b"{"):
                continue
            try:
                return kind.model_validate_json(line)
            except ValidationError as error:
                text = line[:SHOWN].decode(errors="replace")
                raise self._error(f"reported {text!r} instead of '{kind.__name__}'") from error

    def ask(self, message: BaseModel, kind: type[Message]) -> Message:
        """Send a message, and return the reply.

        Raises:
            RemoteProgramError: There is none.
        """
        self.send(message)
        return self.receive(kind)

    def waiting(self) -> int:
        """Return how many messages were not received yet."""
        return self._lines.qsize()

    def _pump(self) -> None:
        """Pass lines on as they come; None is the end."""
        partial = b""
        try:
            while block := self._process.read(BLOCK):
                *lines, partial = (partial + block).split(b"\n")
                for line in lines:
                    self._lines.put(line)
                if len(partial) > LONGEST_LINE or self._lines.qsize() > MOST_LINES:
                    self._overlong = True
                    break
        except (OSError, EOFError, ValueError, FarswitchError):
            pass
        self._lines.put(None)

    def _ended(self) -> RemoteProgramError:
        if self._overlong:
            return self._error(
                f"gave more than {LONGEST_LINE} bytes in one line, or {MOST_LINES} lines at once"
            )
        return self._error(f"ended: {self._process.stderr_tail().strip() or 'it wrote no error'}")

    def _error(self, what: str) -> RemoteProgramError:
        return RemoteProgramError(f"{self._name} {what}.".replace("..", "."), hint=self._hint)

"""The lock's agent on a server: started there from its source text, and asked by arguments."""

from __future__ import annotations

import threading
from pathlib import Path

from pydantic import ValidationError

from farswitch.connections.shell.base import Shell
from farswitch.connections.shell.protocol import LONGEST_LINE, PrivilegeError, Process
from farswitch.deadline import Deadline
from farswitch.errors import ConfigError, FarswitchError
from farswitch.lock.messages import LockHolder, LockReply
from farswitch.pace import patient
from farswitch.remote import lock_agent

FOLDER = "/run/farswitch"
ANSWER_SECONDS = 75.0
"""More than the agent waits for the server's shared settings."""
END_SECONDS = 5.0
"""To wait for the end of an agent that was asked to end."""
AGENT = ("python3", "-IS", "-c", Path(lock_agent.__file__).read_text(encoding="utf-8"))


class AgentProcess:
    """An agent that holds something for us, and what it replied."""

    def __init__(self, shell: Shell, *arguments: str) -> None:
        """Start it and wait for its reply.

        Raises:
            ConfigError: The server has no python3, or the user may not become root.
            FarswitchError: It ended without a reply.
        """
        self.host = shell.host
        self._process: Process = shell.start((*AGENT, *arguments))
        self._changed = threading.Condition()
        self._line = b""
        self._ended = False
        self._reader = threading.Thread(
            target=self._read, name=f"lock on {shell.host}", daemon=True
        )
        self._reader.start()
        with self._changed:
            deadline = Deadline(patient(ANSWER_SECONDS))
            while not (self._answered() or deadline.passed()):
                self._changed.wait_for(self._answered, deadline.remaining())
        try:
            self.reply = LockReply.model_validate_json(self._line.partition(b"\n")[0])
        except ValidationError:
            stderr = self._process.stderr_tail().strip()
            self._process.close()
            raise _no_reply(shell, stderr) from None

    def close(self) -> None:
        """Close its input: it lets go and ends."""
        self._process.close()
        self._reader.join(END_SECONDS)

    def _answered(self) -> bool:
        return self._ended or b"\n" in self._line

    def _read(self) -> None:
        while True:
            try:
                block = self._process.read(4096)
            except (OSError, ValueError):
                block = b""
            with self._changed:
                self._receive(block)
                if len(self._line) > LONGEST_LINE:
                    self._line, block = b"", b""
                self._ended = self._ended or not block
                self._changed.notify_all()
            if not block:
                return

    def _receive(self, block: bytes) -> None:
        self._line += block


def held_by(shell: Shell, *, folder: str = FOLDER) -> tuple[LockHolder, ...]:
    """Return the runs that work on a server now, on whatever cluster; disturbs nobody."""
    try:
        return LockReply.model_validate_json(shell.run((*AGENT, "list", folder)).stdout).others
    except ValidationError:
        raise _no_reply(shell, "its reply is none of the agent's") from None


def _no_reply(shell: Shell, stderr: str) -> FarswitchError:
    host = shell.host
    if "python3" in stderr and ("o such file" in stderr or "not found" in stderr):
        hint = "On Debian and Ubuntu: apt install python3. On RHEL and Fedora: dnf install python3"
        return ConfigError(f"Programs are missing on '{host}': python3.", hint=hint)
    if "SyntaxError" in stderr:
        return ConfigError(
            f"'python3' on '{host}' is too old, wanted at least 3.8.",
            hint="On RHEL: dnf install python3.11, then: alternatives --set python3 "
            "/usr/bin/python3.11",
        )
    if shell.sudo and "sudo: " in stderr:  # its own words, or those of a shell that has none
        return PrivilegeError(host, shell.user, stderr, missing="not found" in stderr)
    return FarswitchError(
        f"The lock on server '{host}' could not be asked for: {stderr or 'the login ended'}",
        hint=f"Look at the folder {FOLDER} there.",
    )

"""The near end of a lock on a server: taken, kept by signs of life, and looked at before a change.

The far end lets go when it has heard nothing for `SILENCE` seconds; the near end trusts itself for
less than that. So a run that was stopped, by a signal or with its whole machine, finds when it
wakes up that it holds nothing, before anybody else can hold it.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from farswitch.connections.shell.local import LocalShell
from farswitch.connections.shell.protocol import LONGEST_LINE, PrivilegeError, Process, Shell
from farswitch.errors import ConfigError, FarswitchError
from farswitch.remote import lock_agent

FOLDER = "/run/farswitch"
SILENCE = 40.0
"""Seconds without a sign of life after which the far end lets go.

More than libvirtd lets a client be silent (31 s from the last it heard: `keepalive_interval` times
`keepalive_count` + 1 of libvirtd.conf, and its clock counts seconds) and a sign of life's pause: so
a call of libvirt that a stopped run had on its lips does not arrive after its lock fell.
"""
PAUSES = 8
"""Signs of life in that time."""
ANSWER_SECONDS = 75.0
"""More than the far end waits for the server's shared settings."""
FAREWELL_SECONDS = 5.0
AGENT = ("python3", "-IS", "-c", Path(lock_agent.__file__).read_text(encoding="utf-8"))
Words = Mapping[str, Any]


class LockLostError(FarswitchError):
    """The lock is not, or not surely, ours any more."""

    def __init__(self, server: str, cause: str) -> None:
        super().__init__(
            f"The lock on server '{server}' was lost: {cause}. Nothing more was changed.",
            hint="Another run may be at work there. Run the same command again to go on.",
        )
        self.server = server
        self.cause = cause


class Holder:
    """A lock's process on a server, and what it answered.

    Args:
        shell: The server.
        arguments: What the agent is to do.
    """

    def __init__(self, shell: Shell, *arguments: str) -> None:
        """Start it and wait for its answer.

        Raises:
            ConfigError: The server has no python3, or the user may not become root.
            FarswitchError: It ended without an answer.
        """
        self.host = shell.host
        self._process: Process = shell.start((*AGENT, *arguments))
        self._told = threading.Condition()
        self._line = b""
        self._ended = False
        self._reader = threading.Thread(
            target=self._read, name=f"lock on {shell.host}", daemon=True
        )
        self._reader.start()
        with self._told:
            self._told.wait_for(lambda: self._ended or b"\n" in self._line, ANSWER_SECONDS)
        try:
            self.answer: Words = _words(self._line.partition(b"\n")[0])
        except ValueError:
            said = self._process.stderr_tail().strip()
            self._process.close()
            raise _unanswered(self.host, said) from None

    def close(self) -> None:
        """Close its input: it lets go and ends."""
        self._process.close()
        self._reader.join(FAREWELL_SECONDS)

    def _read(self) -> None:
        while True:
            try:
                block = self._process.read(4096)
            except (OSError, ValueError):
                block = b""
            with self._told:
                self._hear(block)
                if len(self._line) > LONGEST_LINE:
                    self._line, block = b"", b""
                self._ended = self._ended or not block
                self._told.notify_all()
            if not block:
                return

    def _hear(self, block: bytes) -> None:
        self._line += block


class Lease(Holder):
    """A cluster's lock on one server, or the words of the run that holds it.

    Args:
        shell: The server.
        name: The cluster.
        words: Who we are: what another run is told.
        claims: What no other cluster may have: what other clusters' runs are told.
        folder: Where the locks are on the server.
        silence: Seconds without a sign of life after which the far end lets go.
    """

    def __init__(
        self,
        shell: Shell,
        name: str,
        words: Words,
        claims: Words,
        *,
        folder: str = FOLDER,
        silence: float = SILENCE,
    ) -> None:
        self._sure, self._patience = silence * 2 / 3, silence / 2
        self._heard = _now()  # before the far end begins to count
        self._sent: deque[float] = deque()
        self._wake, self._over = threading.Event(), False
        said = (json.dumps(words), json.dumps(claims))
        login = "no" if isinstance(shell, LocalShell) else "yes"
        super().__init__(shell, "hold", folder, name, f"{silence:g}", login, *said)
        self.busy: Words | None = self.answer.get("busy")
        if not self.held:
            self.close()
            return
        self._heart = threading.Thread(
            target=self._beat,
            args=(silence / PAUSES,),
            name=f"sign of life to {self.host}",
            daemon=True,
        )
        self._heart.start()

    @property
    def held(self) -> bool:
        return "held" in self.answer

    def check(self) -> None:
        """Return at once while the lock is surely ours; else ask the far end.

        Raises:
            LockLostError: It ended, or does not answer.
        """
        with self._told:
            if not (self._ended or self._fresh()):
                self._wake.set()
                self._told.wait_for(lambda: self._ended or self._fresh(), self._patience)
            if self._ended or not self._fresh():
                raise self._lost()

    def doubt(self) -> LockLostError | None:
        """Return the error when the lock may be another run's by now; asks nobody."""
        with self._told:
            return None if self._fresh() else self._lost()

    def release(self) -> None:
        """Let go in good order: nothing is left of the lock then."""
        self._stop()
        try:
            self._process.write(b"q")
        except (OSError, ValueError):
            pass
        else:
            with self._told:
                self._told.wait_for(lambda: self._ended, FAREWELL_SECONDS)
        self.close()

    def abandon(self) -> None:
        """Let go in haste, as a run that dies does: the far end hears no good-bye."""
        self._stop()
        self.close()

    def _lost(self) -> LockLostError:
        ended, silent = "its process there ended, or the login did", "the server does not answer"
        return LockLostError(self.host, ended if self._ended else silent)

    def _stop(self) -> None:
        self._over = True
        self._wake.set()

    def _fresh(self) -> bool:
        return _now() - self._heard < self._sure

    def _hear(self, block: bytes) -> None:
        if b"\n" not in self._line:
            head, end, block = block.partition(b"\n")
            self._line += head + end
        for _ in block:
            if self._sent:
                self._heard = self._sent.popleft()

    def _beat(self, pause: float) -> None:
        """Send signs of life; what counts is when one was sent, not when its answer came."""
        while not self._over and not self._ended:
            self._sent.append(_now())
            try:
                self._process.write(b".")
            except (OSError, ValueError):
                return
            self._wake.wait(pause)
            self._wake.clear()


def held_by(shell: Shell, *, folder: str = FOLDER) -> tuple[Words, ...]:
    """Return who works on a server now, of whatever cluster; disturbs nobody."""
    try:
        return tuple(_words(shell.run((*AGENT, "ask", folder)).stdout).get("others", ()))
    except ValueError as error:
        raise _unanswered(shell.host, str(error)) from None


def _words(line: str | bytes) -> Words:
    """Read an answer; a server may send anything.

    Raises:
        ValueError: It is none of the agent's.
    """
    try:
        said = json.loads(line)
    except RecursionError:
        raise ValueError("its answer is nested too deep") from None
    known = isinstance(said, dict) and said.get("others", [])
    if not isinstance(known, list) or not all(isinstance(one, dict) for one in known):
        raise ValueError("its answer is none of the lock's")
    return cast("Words", said)


def _now() -> float:
    """Return a time that goes on also while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _unanswered(host: str, said: str) -> FarswitchError:
    if "python3" in said and "o such file" in said:
        hint = "On Debian and Ubuntu: apt install python3."
        return ConfigError(f"Programs are missing on '{host}': python3.", hint=hint)
    if "sudo: " in said:  # its own words, or those of a shell that has none, in any language
        return PrivilegeError(host, said)
    return FarswitchError(
        f"The lock on server '{host}' could not be asked for: {said or 'the login ended'}",
        hint=f"Look at the folder {FOLDER} there.",
    )

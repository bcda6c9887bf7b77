"""A cluster's lock on one server: taken, kept by heartbeats, and checked before each change.

The agent releases the lock when no heartbeat came for `SILENCE` seconds; the run trusts itself for
less than that. So a run that was stopped, by a signal or with its whole machine, finds when it
wakes up that it holds nothing, before anybody else can hold it.
"""

from __future__ import annotations

import threading
import time
from collections import deque

from farswitch.connections.shell.base import Shell
from farswitch.connections.shell.local import LocalShell
from farswitch.errors import FarswitchError
from farswitch.lock.agent import END_SECONDS, FOLDER, AgentProcess
from farswitch.lock.messages import LockHolder

SILENCE = 40.0
"""Seconds without a heartbeat after which the agent releases the lock.

More than libvirtd lets a client be silent (31 s from its last message: `keepalive_interval` times
`keepalive_count` + 1 of libvirtd.conf, and its clock counts seconds) and a heartbeat's interval:
so a call of libvirt that a stopped run was about to make does not arrive after its lock fell.
"""
BEATS = 8
"""Heartbeats in that time."""


class LockLostError(FarswitchError):
    """The lock is not, or not surely, ours any more."""

    def __init__(self, server: str, cause: str) -> None:
        super().__init__(
            f"The lock on server '{server}' was lost: {cause}. Nothing more was changed.",
            hint="Another run may be at work there. Run the same command again to go on.",
        )
        self.server = server
        self.cause = cause


class Lease(AgentProcess):
    """A cluster's lock on one server; or, where `held` is false, the reply that names who has it.

    Other runs are shown `run`. After `silence` seconds without a heartbeat the agent releases the
    lock, which is in the folder on the server.
    """

    def __init__(
        self, shell: Shell, run: LockHolder, *, folder: str = FOLDER, silence: float = SILENCE
    ) -> None:
        self._trusted, self._patience = silence * 2 / 3, silence / 2
        self._confirmed = _now()  # before the agent begins to count
        self._unanswered: deque[float] = deque()
        self._wake, self._stopping = threading.Event(), False
        login = "no" if isinstance(shell, LocalShell) else "yes"
        message = run.model_dump_json(by_alias=True, exclude_defaults=True)
        super().__init__(shell, "hold", folder, run.cluster, f"{silence:g}", login, message)
        if not self.held:
            self.close()
            return
        self._heart = threading.Thread(
            target=self._beat,
            args=(silence / BEATS,),
            name=f"heartbeat to {self.host}",
            daemon=True,
        )
        self._heart.start()

    @property
    def held(self) -> bool:
        return self.reply.held is not None

    def check(self) -> None:
        """Return at once while the lock is surely ours; else ask the agent.

        Raises:
            LockLostError: It ended, or does not answer.
        """
        with self._changed:
            if not (self._ended or self._fresh()):
                self._wake.set()
                self._changed.wait_for(lambda: self._ended or self._fresh(), self._patience)
            if self._ended or not self._fresh():
                raise self._lost()

    def doubt(self) -> LockLostError | None:
        """Return the error when the lock may be another run's by now; asks nobody."""
        with self._changed:
            return None if self._fresh() else self._lost()

    def release(self) -> None:
        """Release the lock and wait for the agent's end: nothing is left of it then."""
        self._stop()
        try:
            self._process.write(b"q")
        except (OSError, ValueError):
            pass
        else:
            with self._changed:
                self._changed.wait_for(lambda: self._ended, END_SECONDS)
        self.close()

    def abandon(self) -> None:
        """Close the agent's input, as a run that dies does, and wait for nothing."""
        self._stop()
        self.close()

    def _lost(self) -> LockLostError:
        ended, silent = "its process there ended, or the login did", "the server does not answer"
        return LockLostError(self.host, ended if self._ended else silent)

    def _stop(self) -> None:
        self._stopping = True
        self._wake.set()

    def _fresh(self) -> bool:
        return _now() - self._confirmed < self._trusted

    def _receive(self, block: bytes) -> None:
        if b"\n" not in self._line:
            head, end, block = block.partition(b"\n")
            self._line += head + end
        for _ in block:
            if self._unanswered:
                self._confirmed = self._unanswered.popleft()

    def _beat(self, interval: float) -> None:
        """Send heartbeats; what counts is when one was sent, not when its answer came."""
        while not self._stopping and not self._ended:
            self._unanswered.append(_now())
            try:
                self._process.write(b".")
            except (OSError, ValueError):
                return
            self._wake.wait(interval)
            self._wake.clear()


def _now() -> float:
    """Return a time that goes on also while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)

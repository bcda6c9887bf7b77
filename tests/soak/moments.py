"""Moments of a run at which it is killed: the border of a step, or some time after its start."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from farswitch.deadline import Deadline, wait_until

RUN_SECONDS = 900.0
LOOK = 0.002
"""Seconds between two looks at a run's log."""
END = "close_connections_task"
"""What the log names when every step is done."""


@dataclass
class Running:
    """A command as a user types it, in a process of its own, and its log."""

    process: subprocess.Popen[bytes]
    log: Path
    out: Path
    began: float = 0.0
    _read: int = field(default=0, repr=False)
    _text: str = field(default="", repr=False)

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def said(self) -> str:
        """Return what the log has by now; the file is there before anything is touched."""
        if self.log.exists():
            self.began = self.began or time.monotonic()
            with self.log.open(encoding="utf-8") as file:
                file.seek(self._read)
                self._text += file.read()
                self._read = file.tell()
        return self._text

    def steps(self) -> list[str]:
        """Return the names of the steps that began, in order."""
        parts = [line.rpartition(" running task '") for line in self.said().splitlines()]
        names = [name.rstrip("'") for _, sign, name in parts if sign]
        return [name for name in dict.fromkeys(names) if name != "chain"]


@dataclass(frozen=True, slots=True)
class Border:
    """When the first host begins a step."""

    step: str

    def __str__(self) -> str:
        return f"at the start of {self.step}"

    def reached(self, run: Running) -> bool:
        return f" running task '{self.step}'" in run.said()


@dataclass(frozen=True, slots=True)
class After:
    """Some seconds after the run has read its site."""

    seconds: float

    def __str__(self) -> str:
        return f"after {self.seconds:.3f} s"

    def reached(self, run: Running) -> bool:
        run.said()
        return run.began > 0 and time.monotonic() - run.began >= self.seconds


@dataclass(frozen=True, slots=True)
class When:
    """When something is to be seen on a server."""

    what: str
    seen: Callable[[], bool]

    def __str__(self) -> str:
        return f"when {self.what}"

    def reached(self, run: Running) -> bool:
        return self.seen()


Moment = Border | After | When


def await_moment(run: Running, moment: Moment) -> None:
    """Wait for a moment of a run, or its end if that comes first."""
    wait_until(
        lambda: moment.reached(run) or run.ended,
        Deadline(RUN_SECONDS),
        what=f"The moment {moment}",
        interval=LOOK,
    )

"""Deadlines, and waiting for a condition until one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from farswitch.errors import FarswitchError

T = TypeVar("T")


class DeadlineError(FarswitchError):
    """A point in time passed before what was waited for came."""

    def __init__(self, what: str, seconds: float, *, hint: str = "") -> None:
        super().__init__(f"{what} did not happen within {seconds:.0f} s.", hint=hint)
        self.what = what
        self.seconds = seconds


class Deadline:
    """A point in time, `seconds` from now on the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Return the seconds left, never below zero."""
        return max(0.0, self._end - time.monotonic())

    def passed(self) -> bool:
        """Return whether no time is left."""
        return self.remaining() == 0.0


def wait_until(
    probe: Callable[[], T | None], deadline: Deadline, *, what: str, interval: float = 0.2
) -> T:
    """Call `probe` until it returns something other than None or False.

    Args:
        probe: What is asked; it bounds its own time.
        deadline: The point in time to give up at.
        what: The noun phrase for the error, as in "The ssh login of 'node2'".
        interval: Seconds between two questions.

    Returns:
        What the probe returned.

    Raises:
        DeadlineError: The deadline passed.
    """
    while True:
        answer = probe()
        if answer is not None and answer is not False:
            return answer
        if deadline.passed():
            raise DeadlineError(what, deadline.seconds)
        time.sleep(min(interval, deadline.remaining()))

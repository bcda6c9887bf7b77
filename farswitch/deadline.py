"""Deadlines, and waiting for a condition until one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TypeVar

from farswitch.errors import FarswitchError

T = TypeVar("T")
LONGEST_GAP = 1.0
"""Seconds of which none of our threads saw anything that count as passed; what is above does not:
this program was stopped (SIGSTOP, a frozen cgroup, a paused machine), or got no processor."""
TICK = 0.25


class DeadlineError(FarswitchError):
    """A point in time passed before what was waited for came."""

    def __init__(self, what: str, seconds: float, *, hint: str = "") -> None:
        super().__init__(f"{what} did not happen within {seconds:.0f} s.", hint=hint)
        self.what = what
        self.seconds = seconds


class _AwakeClock:
    """The monotonic clock, without the time in which this program stood still.

    Whoever reads it takes part in noticing; a thread reads it often enough that only a program
    that stands still leaves a gap.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._seen = monotonic()
        self._now = self.still = 0.0

    def now(self) -> float:
        with self._lock:
            if self._thread is None:
                self._seen = monotonic()  # nobody looked until now
                self._thread = threading.Thread(target=self._tick, name="clock", daemon=True)
                self._thread.start()
            seen = monotonic()
            passed = seen - self._seen
            self._seen = seen
            self._now += min(passed, LONGEST_GAP)
            self.still += max(0.0, passed - LONGEST_GAP)
            return self._now

    def _tick(self) -> None:
        while True:
            time.sleep(TICK)
            self.now()


_CLOCK = _AwakeClock()
_awaited: dict[int, Deadline] = {}
"""By thread: the outermost deadline that it waits for."""


def stood_still() -> float:
    """Return for how many seconds this program was stopped since its first deadline."""
    _CLOCK.now()
    return _CLOCK.still


class Deadline:
    """A point in time, `seconds` from now on the monotonic clock; see `LONGEST_GAP`.

    A wait in seconds that ends early, as it does after a stop, asks `passed` and goes on.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = _CLOCK.now() + seconds

    def remaining(self) -> float:
        """Return the seconds left, never below zero."""
        return max(0.0, self._end - _CLOCK.now())

    def passed(self) -> bool:
        """Return whether no time is left."""
        return self.remaining() == 0.0

    def wait(self, event: threading.Event) -> bool:
        """Wait for an event; return whether it came before the deadline."""
        while not event.wait(self.remaining()):
            if self.passed():
                return False
        return True

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """Let `awaited_by` return it for this thread within the block, if that is in no other's."""
        thread = threading.get_ident()
        if thread in _awaited:
            yield
            return
        _awaited[thread] = self
        try:
            yield
        finally:
            del _awaited[thread]

    def watch(self, act: Callable[[], object], *, grace: float = 0.0) -> Callable[[], None]:
        """Do something when the deadline passed, in a thread; return what calls that off.

        Args:
            act: What is done.
            grace: Seconds after the deadline at which it is done.
        """
        over, later = threading.Event(), Deadline(self.remaining() + grace)

        def look() -> None:
            if not later.wait(over):
                act()

        threading.Thread(target=look, name="deadline", daemon=True).start()
        return over.set


def awaited_by(thread: int) -> Deadline | None:
    """Return the deadline of what a thread waits for now, if that has one."""
    return _awaited.get(thread)


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
    with deadline.awaited():
        while True:
            answer = probe()
            if answer is not None and answer is not False:
                return answer
            if deadline.passed():
                raise DeadlineError(what, deadline.seconds)
            time.sleep(min(interval, deadline.remaining()))

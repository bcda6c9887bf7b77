"""Frames of several servers in the order of their times, as they come."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count

from farswitch.capture.frames import CapturedFrame

HOLD = 0.2
"""Seconds for which a frame waits for earlier ones of other servers."""


@dataclass(order=True, slots=True)
class _Held:
    """A frame that waits, by its time, and by when it came."""

    time: int
    number: int
    frame: CapturedFrame = field(compare=False)


class FrameOrder:
    """Holds frames for a moment, and gives them back with all earlier ones.

    So one of a server whose clock is ahead waits no longer than others.
    """

    def __init__(self) -> None:
        self._held: list[_Held] = []
        self._came: deque[tuple[float, int]] = deque()
        self._numbers = count()
        self._due = 0

    def add(self, frames: Iterable[CapturedFrame], now: float) -> None:
        """Take frames that came now, in seconds of any clock that goes on."""
        for frame in frames:
            heapq.heappush(self._held, _Held(frame.time, next(self._numbers), frame))
            self._came.append((now, frame.time))

    def due(self, now: float) -> Iterator[CapturedFrame]:
        """Yield the frames that have waited long enough, and with them all earlier ones."""
        while self._came and self._came[0][0] <= now - HOLD:
            self._due = max(self._due, self._came.popleft()[1])
        while self._held and self._held[0].time <= self._due:
            yield heapq.heappop(self._held).frame

"""A capture that goes on: frames of all servers, put into order, written, counted and bounded."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from time import monotonic
from typing import Literal, Self

from farswitch.capture.clocks import ClockComparison, ClockOffset
from farswitch.capture.frame_order import HOLD, FrameOrder
from farswitch.capture.frames import CapturedFrame
from farswitch.capture.pcapng import PcapngWriter
from farswitch.capture.points import CapturePoint
from farswitch.deadline import Deadline

Ending = Literal["time", "frames", "bytes", "interrupted", "reader", "disk", "server"]
"""What ended it: its bounds, Ctrl-C, a reader that went away, no room, or a server that failed."""
TICK = 0.05
"""Seconds between two looks at what is due."""


@dataclass(frozen=True, slots=True)
class CaptureLimits:
    """When a capture ends: after seconds, frames, or bytes of file (None: any number)."""

    seconds: float
    frames: int
    size: int | None = None


class FrameCapture:
    """Takes frames from the threads of all servers, from the start of a `with` block to its end.

    Attributes:
        over: Set where servers shall end.
        ending: What ended it.
        error: Of writing.
        counts: Frames by interface and whether they were sent there.
        lost: How many a server's kernel had no room for, by server.
        offsets: How far the clocks are apart, at the end.
    """

    def __init__(
        self,
        writer: PcapngWriter,
        clocks: ClockComparison,
        limits: CaptureLimits,
        points: Collection[CapturePoint],
        begun: Callable[[], object] = lambda: None,
    ) -> None:
        self._writer, self._clocks, self._limits = writer, clocks, limits
        self._points, self._begun = list(points), begun
        self._awaited = {point.host for point in points}
        self._lock = threading.Lock()
        self._order = FrameOrder()
        self._full = False
        self._call_off: Callable[[], None] = lambda: None
        self._stop = threading.Event()
        self._latest = 0
        self.over = threading.Event()
        self.ending: Ending | None = None
        self.error: OSError | None = None
        self.counts: Counter[tuple[CapturePoint, bool]] = Counter()
        self._unwritten: Counter[tuple[CapturePoint, bool]] = Counter()
        self._taken = 0
        self.lost: dict[str, int] = {}
        self.offsets: list[ClockOffset] = []

    @property
    def frames(self) -> int:
        """How many were written."""
        return self.counts.total()

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._writer.size

    @property
    def listening(self) -> bool:
        """Whether every server listens, or did."""
        return not self._awaited

    def __enter__(self) -> Self:
        """Write the file's head."""
        self._try(lambda: self._writer.begin(self._points))
        self._ticker = threading.Thread(target=self._tick, name="capture", daemon=True)
        self._ticker.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Write the frames that wait yet."""
        self._call_off()
        self._stop.set()
        self._ticker.join()
        with self._lock:
            self._release(monotonic() + HOLD)
            self.offsets = list(self._clocks.offsets())

    def conclude(self, comment: str, *, rewrite: bool) -> None:
        """Write statistics and a comment, at the file's head too where that can be rewritten."""
        counts = {point: self.counts[point, True] + self.counts[point, False]
                  for point in self._points}  # fmt: skip
        if self.error is None:
            self._try(lambda: self._writer.end(comment, self._latest, counts))
        if rewrite:
            self._try(lambda: self._writer.replace_comment(comment))

    def begin(self, host: str) -> None:
        """Note that a server listens; with the last one the time begins to run."""
        with self._lock:
            awaited, self._awaited = self._awaited, self._awaited - {host}
            if awaited and not self._awaited and not self.over.is_set():
                end = Deadline(self._limits.seconds)
                self._call_off = end.watch(lambda: self.end("time"))
                self._begun()

    def take(self, frames: Iterable[CapturedFrame]) -> None:
        """Take frames of one server, in their order."""
        now = monotonic()
        with self._lock:
            self._order.add(frames, now)
            self._release(now)

    def end(self, why: Ending) -> None:
        """Let all servers end; the first reason counts."""
        if not self.over.is_set():
            self.ending = why
            self.over.set()

    def _tick(self) -> None:
        while not self._stop.wait(TICK):
            with self._lock:
                self._release(monotonic())

    def _release(self, now: float) -> None:
        """Write the frames that are due."""
        for frame in self._order.due(now):
            self._write(frame)
        if self._unwritten:
            self._try(self._writer.flush)
            if self.error is None:
                self.counts += self._unwritten
            self._unwritten.clear()

    def _write(self, frame: CapturedFrame) -> None:
        if self.error is not None or self._full:
            return
        self._clocks.take(frame)
        packet = self._writer.packet(frame)
        size = self.size + len(packet) + self._writer.closing
        if self._limits.size is not None and size > self._limits.size:
            self._full = True
            self.end("bytes")
            return
        self._writer.add(packet)
        self._latest = max(self._latest, frame.time)
        self._unwritten[frame.point, frame.outgoing] += 1
        self._taken += 1
        if self._taken >= self._limits.frames:
            self._full = True
            self.end("frames")

    def _try(self, write: Callable[[], object]) -> None:
        """Write; where that fails the capture is over, and nothing more is written."""
        try:
            write()
        except OSError as error:
            self.error = self.error or error
            self.end("reader" if isinstance(error, BrokenPipeError) else "disk")

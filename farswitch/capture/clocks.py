"""How far the servers' clocks are apart: a tunnel's frame is seen where it leaves and arrives.

What passes there and back gives an offset, and how wrong it can be at most, as with NTP (RFC 5905,
section 8). No time of a frame is changed by it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from farswitch.capture.frames import CapturedFrame
from farswitch.capture.points import TunnelFrames

MOST = 20_000
"""Frames that are remembered."""
ETHERNET = 14
IPV4, TCP, UDP = b"\x08\x00", 6, 17
SUM_AT = {TCP: 16, UDP: 6}
"""Where the checksum is in a header: a NIC may be who finishes it."""

Key = tuple[bytes, int, bytes]
"""VNI, length and bytes of a frame within a tunnel."""


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """How far a server's clock is ahead of another's, in nanoseconds.

    Attributes:
        bound: How wrong the offset can be.
        there: How many frames came from the other one.
        back: How many went to it.
    """

    server: str
    reference: str
    offset: int
    bound: int
    there: int
    back: int

    def __str__(self) -> str:
        way = "ahead of" if self.offset >= 0 else "behind"
        return (
            f"The clock of '{self.server}' is {abs(self.offset) / 1000:.1f} µs {way} that of "
            f"'{self.reference}', ± {self.bound / 1000:.1f} µs "
            f"({self.there} frames there, {self.back} back)."
        )


@dataclass(slots=True)
class Sightings:
    """Where and when a frame left a server, and arrived at another; each more than once is none."""

    out: list[tuple[str, int]] = field(default_factory=list)
    into: list[tuple[str, int]] = field(default_factory=list)


class ClockComparison:
    """Compares the times of frames that two servers have seen, either one first."""

    def __init__(self, tunnels: TunnelFrames) -> None:
        self._tunnels = tunnels
        self._seen: OrderedDict[Key, Sightings] = OrderedDict()
        self._least: dict[tuple[str, str], int] = {}
        self._counts: dict[tuple[str, str], int] = {}

    def take(self, frame: CapturedFrame) -> None:
        """Note a frame of an underlay; others say nothing."""
        if frame.point.what != "underlay":
            return
        seen = self._seen.setdefault(self._key(frame), Sightings())
        place = seen.out if frame.outgoing else seen.into
        place.append((frame.point.host, frame.time))
        if len(self._seen) > MOST:
            self._measure(self._seen.popitem(last=False)[1])

    def offsets(self) -> Iterator[ClockOffset]:
        """Yield what was found of each pair of servers that exchanged frames both ways."""
        while self._seen:
            self._measure(self._seen.popitem(last=False)[1])
        for (reference, server), there in self._least.items():
            back = self._least.get((server, reference))
            if back is None or reference > server:
                continue
            counts = (self._counts[reference, server], self._counts[server, reference])
            yield ClockOffset(server, reference, (there - back) // 2, (there + back) // 2, *counts)

    def _measure(self, seen: Sightings) -> None:
        if len(seen.out) != 1 or len(seen.into) != 1:
            return
        (sender, left), (receiver, arrived) = seen.out[0], seen.into[0]
        pair, delay = (sender, receiver), arrived - left
        if sender != receiver:
            self._least[pair] = min(delay, self._least.get(pair, delay))
            self._counts[pair] = self._counts.get(pair, 0) + 1

    def _key(self, frame: CapturedFrame) -> Key:
        start = (ETHERNET if frame.point.ethernet else 0) + self._tunnels.inner
        inner = frame.data[start:]
        return frame.data[start - 4 : start - 1], frame.length - start, without_sum(inner)


def without_sum(frame: bytes) -> bytes:
    """Return a frame with zeros for the checksum of TCP or UDP over IPv4."""
    protocol = frame[ETHERNET + 9 : ETHERNET + 10]
    if frame[12:14] != IPV4 or not protocol or protocol[0] not in SUM_AT:
        return frame
    at = ETHERNET + (frame[ETHERNET] & 0x0F) * 4 + SUM_AT[protocol[0]]
    return frame[:at] + b"\0\0" + frame[at + 2 :]

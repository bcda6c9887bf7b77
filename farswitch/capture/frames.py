"""Frames as a server sends them: what `remote/capture_frames.py` writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from farswitch.capture.points import CapturePoint
from farswitch.errors import FarswitchError
from farswitch.remote.capture_frames import RECORD

LARGEST = 1 << 17
"""Bytes of a record that a server may send: no interface carries a larger packet by far."""
OUTGOING = 4
"""PACKET_OUTGOING of linux/if_packet.h."""


@dataclass(frozen=True, slots=True)
class CapturedFrame:
    """A frame at an interface.

    Attributes:
        point: The interface.
        time: The server's, in nanoseconds since 1970.
        length: Of the frame as it was, in bytes.
        data: The bytes of it that were kept.
        kind: To whom it was: PACKET_HOST and so on (packet(7)).
    """

    point: CapturePoint
    time: int
    length: int
    data: bytes
    kind: int = 0

    @property
    def outgoing(self) -> bool:
        """Whether the server sent it."""
        return self.kind == OUTGOING


@dataclass(slots=True)
class FrameReader:
    """Cuts what a server sends into frames; it may come in any pieces.

    Attributes:
        host: The server.
        points: Its interfaces by name; a frame of another one is left out.
        begun: Whether it listens.
        lost: How many frames its kernel had no room for; None before the end.
    """

    host: str
    points: Mapping[str, CapturePoint]
    begun: bool = False
    lost: int | None = None
    _rest: bytes = field(default=b"", repr=False)

    def feed(self, block: bytes) -> Iterator[CapturedFrame]:
        """Yield the frames that are whole by now.

        Raises:
            FarswitchError: It is no such record.
        """
        data, at = self._rest + block, 0
        while len(data) - at >= RECORD.size:
            time, name, length, kept, kind = RECORD.unpack_from(data, at)
            if kept > LARGEST:
                raise FarswitchError(
                    f"'{self.host}' sent a frame of {kept} bytes, wanted {LARGEST} at most."
                )
            start, end = at + RECORD.size, at + RECORD.size + kept
            if end > len(data):
                break
            at = end
            interface = name.rstrip(b"\0").decode(errors="replace")
            if not interface:
                self._note(length)
            elif point := self.points.get(interface):
                yield CapturedFrame(point, time, length, data[start:end], kind)
        self._rest = data[at:]

    def _note(self, count: int) -> None:
        """Take the first or the last record, which are no frames."""
        if self.begun:
            self.lost = count
        self.begun = True

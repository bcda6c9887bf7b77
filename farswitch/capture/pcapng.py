"""Frames as a file of pcapng, which Wireshark reads (IETF draft-ietf-opsawg-pcapng)."""

from __future__ import annotations

import contextlib
import struct
from io import FileIO

from farswitch.capture.frames import CapturedFrame
from farswitch.capture.points import CapturePoint

SECTION, INTERFACE, STATISTICS, PACKET = 0x0A0D0D0A, 1, 5, 6
"""Types of blocks."""
BYTE_ORDER = 0x1A2B3C4D
LINKTYPE_ETHERNET, LINKTYPE_RAW = 1, 101
END, COMMENT, APPLICATION = 0, 1, 4
NAME, DESCRIPTION, RESOLUTION, FILTER = 2, 3, 9, 11
FLAGS, RECEIVED = 2, 4
"""Options of a section, an interface, a packet and an interface's statistics."""
NANOSECONDS = 9
INBOUND, OUTBOUND = 1, 2
RECEPTION = {0: 1, 1: 3, 2: 2, 3: 4}
"""The kernel's kinds as pcapng's: to the host, broadcast, multicast, to another host."""
COUNT = 40
"""Bytes of an interface's statistics."""
ROOM = 1024
"""Bytes for the section's comment, which is written again at the end."""


def block(kind: int, body: bytes) -> bytes:
    """Return a block; its body is a multiple of 4 bytes."""
    size = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + size + body + size


def option(code: int, value: bytes) -> bytes:
    """Return an option, padded."""
    return struct.pack("<HH", code, len(value)) + padded(value)


def padded(value: bytes) -> bytes:
    """Return the bytes and as many zeros as make them a multiple of 4."""
    return value + bytes(-len(value) % 4)


def comment_of(text: str) -> bytes:
    """Return a text of exactly `ROOM` bytes: cut, or filled with spaces."""
    return text.encode()[:ROOM].decode(errors="ignore").encode().ljust(ROOM)


class PcapngWriter:
    """Writes whole blocks into a stream, all that there are at each `flush`.

    Args:
        stream: Where to, unbuffered.
        application: What writes it.
        chosen: The filter, as it was typed.
    """

    def __init__(self, stream: FileIO, application: str, chosen: str = "") -> None:
        self._stream, self._application, self._chosen = stream, application, chosen
        self._numbers: dict[CapturePoint, int] = {}
        self._waiting = bytearray()
        self._written = 0

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._written + len(self._waiting)

    @property
    def closing(self) -> int:
        """Bytes that `end` writes at most."""
        return COUNT * len(self._numbers) + ROOM + 4

    def begin(self, points: list[CapturePoint]) -> None:
        """Write the section's block, with room for a comment, and those of its interfaces."""
        fixed = struct.pack("<IHHq", BYTE_ORDER, 1, 0, -1)
        options = option(COMMENT, comment_of("")) + option(APPLICATION, self._application.encode())
        self.add(block(SECTION, fixed + options + option(END, b"")))
        for number, point in enumerate(points):
            self._numbers[point] = number
            self.add(block(INTERFACE, self._interface(point)))
        self.flush()

    def _interface(self, point: CapturePoint) -> bytes:
        kind = LINKTYPE_ETHERNET if point.ethernet else LINKTYPE_RAW
        of = f"{point.what} of {point.guest}" if point.guest else point.what
        options = option(NAME, str(point).encode()) + option(DESCRIPTION, of.encode())
        if self._chosen:
            options += option(FILTER, b"\0" + self._chosen.encode())  # 0: a text, as tcpdump's
        options += option(RESOLUTION, bytes([NANOSECONDS])) + option(END, b"")
        return struct.pack("<HHI", kind, 0, 0) + options

    def add(self, made: bytes) -> None:
        """Add a block; the next flush writes it."""
        self._waiting += made

    def packet(self, frame: CapturedFrame) -> bytes:
        """Return the block of a frame."""
        flags = OUTBOUND if frame.outgoing else INBOUND | RECEPTION.get(frame.kind, 0) << 2
        high, low = divmod(frame.time, 1 << 32)
        number, kept = self._numbers[frame.point], len(frame.data)
        head = struct.pack("<IIIII", number, high, low, kept, max(frame.length, kept))
        options = option(FLAGS, struct.pack("<I", flags)) + option(END, b"")
        return block(PACKET, head + padded(frame.data) + options)

    def end(self, comment: str, time: int, counts: dict[CapturePoint, int]) -> None:
        """Write how many frames each interface has, the first one with a comment.

        Args:
            comment: What is known at the end.
            time: Of the last frame, in nanoseconds since 1970.
            counts: Frames by interface.
        """
        high, low = divmod(time, 1 << 32)
        for point, number in self._numbers.items():
            options = option(RECEIVED, struct.pack("<Q", counts.get(point, 0)))
            if not number:
                options = option(COMMENT, comment.encode()[:ROOM]) + options
            body = struct.pack("<III", number, high, low) + options + option(END, b"")
            self.add(block(STATISTICS, body))
        self.flush()

    def flush(self) -> None:
        """Let a reader have all that there is.

        Raises:
            OSError: There is no room, or no reader. A file ends with the last whole flush then.
        """
        left = memoryview(bytes(self._waiting))
        size = len(left)
        self._waiting.clear()
        try:
            while left:
                written = self._stream.write(left)
                left = left[written or 0 :]
        except OSError:
            with contextlib.suppress(OSError):  # a pipe, or a device
                self._stream.truncate(self._written)
            raise
        self._written += size

    def replace_comment(self, text: str) -> None:
        """Write the section's comment anew, which takes as much room as before."""
        self._stream.seek(struct.calcsize("<IIIHHqHH"))
        self._stream.write(comment_of(text))

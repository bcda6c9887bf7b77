"""Send numbered frames as they are given, round after round, and report how many went out.

Usage: python3 frame_sender.py TOKEN GAP
TOKEN is in hexadecimal digits, GAP the seconds of a round. It reads one line of JSON: {"streams":
[[INTERFACE, COUNT, [FRAME, ...]], ...]}, frames in hexadecimal digits that are sent in turn. A
frame has the token, 4 bytes that say what it is, then 4 bytes for its number. The reply is
{"streams": [[SENT, ERROR], ...]}: how many frames were sent, and the first error. When its input
ends before, it sends no more and reports nothing.

Only what starts fast is imported: under emulation the library's larger modules cost seconds.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import sys
import time

LABEL = 4
"""Bytes between the token and the number."""


class NumberedStream:
    """Frames of one kind, sent in turn, and how that went."""

    def __init__(self, interface: str, count: int, frames: list[str]) -> None:
        self.count = count
        self.frames = [bytes.fromhex(frame) for frame in frames]
        self.sent, self.error = 0, ""
        self.raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.raw.bind((interface, 0))

    def send(self, token: bytes, number: int) -> None:
        """Send the frame that is next, if any is left."""
        if number < self.count:
            frame = self.frames[number % len(self.frames)]
            try:
                self.raw.send(numbered(frame, token, number))
                self.sent += 1
            except OSError as error:
                self.error = self.error or str(error)


def numbered(frame: bytes, token: bytes, number: int) -> bytes:
    """Return the frame with its number, and its complement: so no checksum around it changes."""
    at = frame.index(token) + len(token) + LABEL
    return frame[:at] + struct.pack("!HH", number, 0xFFFF - number) + frame[at + 4 :]


def main() -> None:
    """Send all streams side by side, a frame of each a round."""
    token, gap = bytes.fromhex(sys.argv[1]), float(sys.argv[2])
    streams = [NumberedStream(*stream) for stream in json.loads(sys.stdin.readline())["streams"]]
    due = time.monotonic()
    for number in range(max(stream.count for stream in streams)):
        for stream in streams:
            stream.send(token, number)
        due += gap
        if select.select([sys.stdin], [], [], max(0.0, due - time.monotonic()))[0]:
            return  # whoever asked has gone
    print(json.dumps({"streams": [[stream.sent, stream.error] for stream in streams]}), flush=True)


if __name__ == "__main__":
    main()

"""The program on a server that copies frames, from its start to its last record."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence

from farswitch.capture.frame_capture import FrameCapture
from farswitch.capture.frames import FrameReader
from farswitch.capture.points import CapturePoint
from farswitch.connections.shell.base import Shell
from farswitch.connections.shell.protocol import Process
from farswitch.deadline import Deadline
from farswitch.errors import FarswitchError
from farswitch.pace import patient, whole
from farswitch.remote import command

BLOCK = 1 << 16
BEGINNING = 30.0
"""Seconds until a program listens."""
ENDING = 10.0
"""Seconds that it gets to send what it has left."""


def copy_frames(
    host: str,
    shell: Shell,
    points: Sequence[CapturePoint],
    program: bytes,
    capture: FrameCapture,
    *,
    size: int,
    seconds: float,
) -> None:
    """Copy a server's frames into a capture until that is over.

    Args:
        host: The server.
        shell: Its shell.
        points: Its interfaces.
        program: Which frames, as `packet_filter.program` makes it.
        capture: Where they go.
        size: Bytes of a frame that are kept at most.
        seconds: When the program ends in any case, after it began.

    Raises:
        FarswitchError: It did not begin, or ended before it was told to.
    """
    limit = whole(BEGINNING + ENDING) + round(seconds)
    argv = command("capture_frames", str(limit), str(size), program.hex())
    reader = FrameReader(host, {point.name: point for point in points})
    process, ended = shell.start(argv), threading.Event()
    threading.Thread(target=_end, args=(process, capture, ended), daemon=True).start()
    call_off = Deadline(patient(BEGINNING)).watch(process.close)
    try:
        while block := _read(process):
            capture.take(reader.feed(block))
            if reader.begun:
                call_off()
                capture.begin(host)
    finally:
        call_off()
        ended.set()
        process.close()
    if reader.lost is None:
        what = "ended before its time" if reader.begun else "did not begin"
        why = process.stderr_tail().strip() or "it wrote no error"
        raise FarswitchError(
            f"The capture on '{host}' {what}: {why}",
            hint="The server needs python3, and packet sockets for root (CAP_NET_RAW, AF_PACKET).",
        )
    capture.lost[host] = reader.lost


def _read(process: Process) -> bytes:
    """Return what comes next; none at the end, also where the login ended."""
    with contextlib.suppress(OSError, EOFError, ValueError):
        return process.read(BLOCK)
    return b""


def _end(process: Process, capture: FrameCapture, ended: threading.Event) -> None:
    """Let the program end when the capture is over, and see that it does."""
    capture.over.wait()
    with contextlib.suppress(OSError, EOFError, ValueError):
        process.write(b"\n")
    if not Deadline(patient(ENDING)).wait(ended):
        process.close()

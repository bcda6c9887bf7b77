"""Copy the frames of a server's interfaces into a capture, as they pass."""

from __future__ import annotations

from collections.abc import Sequence

from nornir.core.task import Result, Task

from farswitch.capture.far_end import copy_frames
from farswitch.capture.frame_capture import FrameCapture
from farswitch.capture.points import CapturePoint
from farswitch.connections.access import shell


def capture(
    task: Task,
    points: Sequence[CapturePoint],
    program: bytes,
    into: FrameCapture,
    *,
    size: int,
    seconds: float,
) -> Result:
    """Copy frames until the capture is over; servers do it side by side.

    Args:
        task: Nornir's task on a server.
        points: The server's interfaces.
        program: Which frames are copied, as `farswitch.capture.packet_filter` makes it.
        into: The capture that all servers share.
        size: Bytes of a frame that are kept at most.
        seconds: When the server ends it in any case.

    Raises:
        FarswitchError: The server cannot copy frames, or stopped to.
    """
    try:
        copy_frames(task.host.name, shell(task), points, program, into, size=size, seconds=seconds)
    finally:
        into.end("server")  # no other server goes on alone
    return Result(host=task.host)

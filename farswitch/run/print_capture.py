"""A capture for people and programs: what each interface has seen, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich import box
from rich.table import Column, Table

from farswitch.capture.frame_capture import Ending, FrameCapture
from farswitch.capture.points import CapturePoint
from farswitch.run.terminal import shown

ENDINGS: dict[Ending, str] = {
    "time": "its time was over",
    "frames": "it has as many frames as were wanted",
    "bytes": "it is as large as was wanted",
    "interrupted": "it was interrupted",
    "reader": "its reader went away",
    "disk": "it could not be written",
    "server": "a server ended it",
}


def capture_table(capture: FrameCapture, points: list[CapturePoint]) -> Table:
    """Return a row an interface, with how many frames it received and sent."""
    table = Table(
        "Host", "Interface", "", "Of", Column("Received", justify="right"),
        Column("Sent", justify="right"), box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0),
    )  # fmt: skip
    for one in points:
        counts = (f"{capture.counts[one, sent]:,}" for sent in (False, True))
        table.add_row(shown(one.host), shown(one.name), one.what, shown(one.guest), *counts)
    return table


def sentences(capture: FrameCapture, file: str) -> Iterator[str]:
    """Yield what there is to say of it, for the file's comment, too."""
    ending = ENDINGS[capture.ending] if capture.ending else "nobody ended it"
    yield f"{capture.frames:,} frames in {file}; {ending}."
    for server, lost in capture.lost.items():
        if lost:
            yield f"'{server}' had no room for {lost:,} more: a filter, or a smaller --snaplen."
    yield from map(str, capture.offsets)
    if capture.frames and not capture.offsets:
        yield (
            "The servers' clocks could not be compared: of the frames, none was seen on both "
            "servers in each direction."
        )


def document(capture: FrameCapture, points: list[CapturePoint], file: str | None) -> dict[str, Any]:
    """Return what the JSON document has of it."""
    return {
        "file": file,
        "frames": capture.frames,
        "bytes": capture.size,
        "ending": capture.ending,
        "interfaces": [
            {"host": one.host, "name": one.name, "what": one.what, "guest": one.guest,
             "received": capture.counts[one, False], "sent": capture.counts[one, True]}
            for one in points
        ],
        "lost": dict(capture.lost),
        "clocks": [
            {"server": one.server, "reference": one.reference, "offset_ns": one.offset,
             "bound_ns": one.bound, "there": one.there, "back": one.back}
            for one in capture.offsets
        ],
    }  # fmt: skip

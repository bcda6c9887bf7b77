"""A trace for people: a row a hop, with how many frames passed it."""

from __future__ import annotations

from rich import box
from rich.table import Column, Table

from farswitch.run.terminal import shown
from farswitch.trace.hops import Trace

WAYS = {"in": "received", "out": "sent", "through": "forwarded"}


def trace_table(trace: Trace) -> Table:
    """Return a row a hop; a hop that missed some is red, one that nobody counted at yellow."""
    table = Table(
        "Host", "Hop", "Interface", "", Column("Frames", justify="right"),
        box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0),
    )  # fmt: skip
    wanted = trace.frames.count
    for hop in trace.way:
        style = "yellow" if hop.count is None else "green" if hop.count == wanted else "red"
        count = "unknown" if hop.count is None else f"{hop.count} of {wanted}"
        name = hop.name if hop.vni is None else f"{hop.name}, VNI {hop.vni}"
        table.add_row(
            shown(hop.host), hop.what, shown(name), WAYS[hop.way], shown(count, style=style)
        )
    return table

"""What was measured between all pairs, as a table that people read."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from farswitch.model.machines import Guest
from farswitch.proof.mpi_job import PairTimes

MATRIX = 8
"""Nodes whose pairs fit beside each other on a screen of 100 columns."""


def matrix(guests: Sequence[Guest], pairs: Sequence[PairTimes]) -> list[str]:
    """Return a table of all pairs: latency in µs and bandwidth in Mbit/s, a row a sender.

    With more nodes than fit beside each other a row says what is slowest, usual and fastest, and
    to whom the slowest was; the checks have each pair.
    """
    cells = {(one.sender, one.receiver): (latency(one), bandwidth(one)) for one in pairs}
    count = range(len(guests))
    if len(guests) <= MATRIX:
        rows = [["µs / Mbit/s to", *(guest.name for guest in guests)]]
        for row, guest in enumerate(guests):
            figures = (cells.get((row, one)) for one in count)
            both = [f"{one[0]:.0f}/{one[1]:.0f}" if one else "-" for one in figures]
            rows.append([f"from {guest.name}", *both])
    else:
        rows = [["", "µs: least", "median", "most", "to", "Mbit/s: least", "median", "most", "to"]]
        for row, guest in enumerate(guests):
            here = {guests[one].name: cells[row, one] for one in count if (row, one) in cells}
            rows.append([f"from {guest.name}", *_summary(here, 0), *_summary(here, 1)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.rjust, line, widths)).rstrip() for line in rows]


def _summary(here: dict[str, tuple[float, float]], which: int) -> list[str]:
    """Return least, median and most of one figure, and the node with the worst."""
    if not here:
        return ["-"] * 4
    figures = {name: both[which] for name, both in here.items()}
    worst = min(figures, key=lambda name: figures[name] if which else -figures[name])
    least, most = min(figures.values()), max(figures.values())
    return [f"{least:.0f}", f"{median(figures.values()):.0f}", f"{most:.0f}", worst]


def latency(times: PairTimes) -> float:
    """Return half of a round trip, in microseconds."""
    return float(times.latency) * 1e6


def bandwidth(times: PairTimes) -> float:
    """Return what a transfer carried, in Mbit/s."""
    return float(times.bytes) * 8 / float(times.seconds) / 1e6

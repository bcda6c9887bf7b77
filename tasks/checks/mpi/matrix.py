"""What was measured between pairs, as a table that people read."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median, quantiles

from farswitch.model.machines import Guest
from farswitch.proof.mpi_job import PairTimes

MATRIX = 8
"""Nodes whose pairs fit beside each other on a screen of 100 columns."""
FAR_OFF = 10.0
"""Times the usual figure: on a busy machine pairs of a sound cluster were up to 6 times apart."""
COMPARABLE = 6
"""Ordered pairs, those of three nodes, from which on there is a usual figure."""
NAMED = 5
"""Pairs that are named one by one."""


def matrix(guests: Sequence[Guest], pairs: Sequence[PairTimes]) -> list[str]:
    """Return a table of pairs: latency in µs and bandwidth in Mbit/s, a row a sender.

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


def measures(guests: Sequence[Guest], pairs: Sequence[PairTimes]) -> list[dict[str, str | float]]:
    """Return each direction of each pair for programs: latency in µs, bandwidth in Mbit/s."""
    return [
        {
            "from": guests[one.sender].name,
            "to": guests[one.receiver].name,
            "latency_us": round(latency(one), 1),
            "bandwidth_mbit": round(bandwidth(one), 1),
        }
        for one in pairs
    ]


def slow(pairs: Sequence[PairTimes]) -> list[PairTimes]:
    """Return the pairs that are much slower than the usual, worst first.

    Slower by bandwidth: guests that share processors answer late without a fault (4 ms against
    0.2 ms, measured). Usual is what the better quarter of all pairs has: a node with a slow port
    makes more than half of the pairs of three nodes slow.
    """
    if len(pairs) < COMPARABLE:
        return []
    limit = _usual(pairs)[1] / FAR_OFF
    return sorted((pair for pair in pairs if bandwidth(pair) <= limit), key=bandwidth)


def far_off(guests: Sequence[Guest], pairs: Sequence[PairTimes]) -> list[str]:
    """Return a line for each pair that is much slower than the usual, worst first."""
    if not (worst := slow(pairs)):
        return []
    usual_us, usual_mbit = _usual(pairs)
    lines = [
        f"Far off: {guests[pair.sender].name} to {guests[pair.receiver].name} has "
        f"{latency(pair):.0f} µs and {bandwidth(pair):.0f} Mbit/s; usual here are {usual_us:.0f} "
        f"and {usual_mbit:.0f}."
        for pair in worst[:NAMED]
    ]
    if more := worst[NAMED:]:
        lines.append(f"Far off too: {len(more)} more pairs.")
    return lines


def _usual(pairs: Sequence[PairTimes]) -> tuple[float, float]:
    """Return what the better quarter of pairs has at least: µs, and Mbit/s."""
    return (
        quantiles(map(latency, pairs), n=4)[0],
        quantiles(map(bandwidth, pairs), n=4)[2],
    )


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

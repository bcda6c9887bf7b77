"""The steps of a run on a time axis, and the chain of them that decided how long it took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, takewhile

from farswitch.run.run_document import Run, Work

LATEST = 0.05
"""Seconds by which one step may begin before another ends and yet have waited for it: a task is
noted a moment after it ended."""
TICKS = 8
"""Marks on the axis, at most."""
SPACINGS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)
"""Seconds between two marks."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A step on one host; `start` and `width` are shares of the whole, 0 to 1.

    `parts` are the steps that it consists of: name, seconds, and the share of the whole at which
    each begins.
    """

    work: Work
    start: float
    width: float
    critical: bool
    parts: tuple[tuple[str, float, float], ...]


@dataclass(frozen=True, slots=True)
class Waterfall:
    """What the picture shows: a row a host, marks of the axis as seconds and shares, `seconds`."""

    rows: tuple[tuple[str, tuple[Bar, ...]], ...]
    ticks: tuple[tuple[float, float], ...]
    path: tuple[Work, ...]
    seconds: float


def waterfall(run: Run) -> Waterfall:
    """Return the picture of a run's steps; servers come before guests, in the site's order."""
    whole = max([float(run.report["seconds"]), *(_ended(one) for one in run.timeline), 0.1])
    path = critical_path(run.timeline)
    chain = {id(one) for one in path}
    rows: dict[str, list[Bar]] = {}
    for work in run.timeline:
        bar = Bar(
            work,
            start=work.began / whole,
            width=work.seconds / whole,
            critical=id(work) in chain,
            parts=_parts(work, whole),
        )
        rows.setdefault(work.host, []).append(bar)
    named = [*(one.name for one in run.servers), *(one.name for one in run.guests)]
    order = dict.fromkeys([*named, *rows])
    return Waterfall(
        rows=tuple((host, tuple(rows[host])) for host in order if host in rows),
        ticks=tuple((second, second / whole) for second in _ticks(whole)),
        path=tuple(path),
        seconds=whole,
    )


def critical_path(timeline: Sequence[Work]) -> list[Work]:
    """Return the chain of steps that decided how long a run took, the first one first.

    It is followed from the step that ended last: each step waited for the one, on whatever host,
    that ended last before it began.
    """
    path: list[Work] = []
    left = sorted(timeline, key=_ended)
    while left:
        path.append(left.pop())
        began = path[-1].began
        while left and _ended(left[-1]) > began + LATEST:
            left.pop()
    return path[::-1]


def _ended(work: Work) -> float:
    return work.began + work.seconds


def _parts(work: Work, whole: float) -> tuple[tuple[str, float, float], ...]:
    begins = work.began
    found = []
    for name, seconds in work.parts.items():
        found.append((name, seconds, begins / whole))
        begins += seconds
    return tuple(found)


def _ticks(whole: float) -> list[float]:
    """Return the seconds that the axis names."""
    apart = next((one for one in SPACINGS if whole / one <= TICKS), SPACINGS[-1])
    return list(takewhile(lambda second: second <= whole, (apart * number for number in count())))

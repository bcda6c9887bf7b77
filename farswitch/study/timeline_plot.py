"""What each port carried during a run with events: a row a port, on one axis of time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, pairwise, takewhile
from typing import Any

from farswitch.study.results import PortSamples, RunRecord

MOST_ROWS = 16
"""Ports that are drawn, those that carried most."""
TICKS = 8
"""Marks on the axis, at most."""
SPACINGS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)
"""Seconds between two marks."""
Curve = tuple[tuple[float, float], ...]
"""Points, as shares of the axis of time and of the largest rate."""


@dataclass(frozen=True, slots=True)
class PortRow:
    """A port: what came into the switch by it and went out, as curves and in bytes a second.

    Attributes:
        mean: Into the switch, and out of it.
        peak: The largest rates between two readings.
    """

    guest: str
    into: Curve
    out: Curve
    mean: tuple[float, float]
    peak: tuple[float, float]


@dataclass(frozen=True, slots=True)
class EventMark:
    """Something that was done to a port: its place in the list, when, and its share of the axis."""

    number: int
    at: float
    share: float
    step: str


@dataclass(frozen=True, slots=True)
class TimelinePlot:
    """The picture of a run; `left_out` counts ports that are not drawn.

    Attributes:
        largest: The rate at the top of each row, in bytes a second.
        ticks: Seconds from the timeline's start, and their shares of the axis.
    """

    program: str
    label: str
    block: int
    rows: tuple[PortRow, ...]
    left_out: int
    largest: float
    marks: tuple[EventMark, ...]
    ticks: tuple[tuple[float, float], ...]


def timeline_plot(record: RunRecord, label: str) -> TimelinePlot | None:
    """Return the picture of a run; None where its ports were not read."""
    samples = record.samples
    if samples is None or len(samples.at) < 2 or not samples.received:  # noqa: PLR2004 - a span
        return None
    low, high = samples.at[0], samples.at[-1]

    def share(moment: float) -> float:
        return min(1.0, max(0.0, (moment - low) / (high - low)))

    carried = {guest: _rates(samples, guest) for guest in samples.received}
    drawn = sorted(carried, key=lambda guest: -_total(samples, guest))[:MOST_ROWS]
    largest = max(max(*into, *out) for into, out in carried.values()) or 1.0
    moments = [share(moment) for moment in samples.at]
    return TimelinePlot(
        program=record.program,
        label=label,
        block=record.block,
        rows=tuple(
            _row(guest, carried[guest], moments, largest, _means(samples, guest))
            for guest in carried
            if guest in drawn
        ),
        left_out=len(carried) - len(drawn),
        largest=largest,
        marks=tuple(_marks(record.events, share)),
        ticks=tuple((tick, share(tick)) for tick in _ticks(low, high)),
    )


def _rates(samples: PortSamples, guest: str) -> tuple[list[float], list[float]]:
    """Return bytes a second between each two readings, into the switch and out of it."""
    spans = [max(1e-6, later - moment) for moment, later in pairwise(samples.at)]
    into, out = samples.received[guest], samples.sent[guest]
    return (
        [grown / span for grown, span in zip(into, spans, strict=True)],
        [grown / span for grown, span in zip(out, spans, strict=True)],
    )


def _total(samples: PortSamples, guest: str) -> int:
    return sum(samples.received[guest]) + sum(samples.sent[guest])


def _means(samples: PortSamples, guest: str) -> tuple[float, float]:
    whole = samples.at[-1] - samples.at[0]
    return sum(samples.received[guest]) / whole, sum(samples.sent[guest]) / whole


def _row(
    guest: str,
    rates: tuple[list[float], list[float]],
    moments: Sequence[float],
    largest: float,
    mean: tuple[float, float],
) -> PortRow:
    into, out = (tuple(_steps(one, moments, largest)) for one in rates)
    return PortRow(guest, into, out, mean, (max(rates[0]), max(rates[1])))


def _steps(
    rates: Sequence[float], moments: Sequence[float], largest: float
) -> Iterator[tuple[float, float]]:
    """Yield both ends of each span: its rate is one figure."""
    for rate, (moment, later) in zip(rates, pairwise(moments), strict=True):
        yield moment, rate / largest
        yield later, rate / largest


def _marks(
    events: Sequence[Mapping[str, Any]], share: Callable[[float], float]
) -> Iterator[EventMark]:
    for number, one in enumerate(events, start=1):
        yield EventMark(number, one["began"], share(one["began"]), one["step"])


def _ticks(low: float, high: float) -> list[float]:
    """Return round seconds between both."""
    spacing = next((one for one in SPACINGS if (high - low) / one <= TICKS), SPACINGS[-1])
    first = -(-low // spacing)
    return list(takewhile(lambda one: one <= high, (spacing * (first + at) for at in count())))

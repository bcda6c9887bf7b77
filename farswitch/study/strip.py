"""All values of a metric as a strip plot: a row a cell, a dot a run, on a logarithmic axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from farswitch.study.summary import StudyRow

STEPS = (1, 2, 5)
MARGIN = 1.15
"""How far the axis goes beyond the least and the largest value."""
TICKS = 8


@dataclass(frozen=True, slots=True)
class Strip:
    """A row: where its dots and its median are, as shares of the axis, and what each dot is."""

    label: str
    dots: tuple[tuple[float, float], ...]
    median: float


@dataclass(frozen=True, slots=True)
class StripPlot:
    """The picture of a metric; `ticks` are values and their shares of the axis."""

    metric: str
    unit: str
    strips: tuple[Strip, ...]
    ticks: tuple[tuple[float, float], ...]


def strip_plot(rows: Sequence[StudyRow]) -> StripPlot:
    """Return the picture of the rows of one metric, whose values are above zero."""
    values = [value for row in rows for value in row.values]
    low, high = min(values) / MARGIN, max(values) * MARGIN

    def share(value: float) -> float:
        return math.log(value / low) / math.log(high / low)

    return StripPlot(
        metric=rows[0].metric,
        unit=rows[0].unit,
        strips=tuple(
            Strip(row.label, tuple((one, share(one)) for one in row.values), share(row.median))
            for row in rows
        ),
        ticks=tuple((tick, share(tick)) for tick in _ticks(low, high)),
    )


def _ticks(low: float, high: float) -> list[float]:
    """Return round values between both: 1, 2 and 5, or only powers of ten where they are many."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found = [step * 10.0**power for power in powers for step in STEPS]
    inside = [one for one in found if low <= one <= high]
    if len(inside) > TICKS:
        inside = [one for one in inside if math.log10(one).is_integer()]
    return inside or [low * MARGIN, high / MARGIN]

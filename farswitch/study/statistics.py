"""Ratio of medians with an interval by a bootstrap over blocks.

A block has every cell once, so what changes slowly on the host hits all cells of a block. The
resamples are of blocks, not of single values (Hoefler and Belli, SC 2015, rules 5 to 8).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import median
from typing import Any
from warnings import catch_warnings, simplefilter

from farswitch.errors import ConfigError
from farswitch.study.document import LEAST_BLOCKS

RESAMPLES = 4000
CONFIDENCE = 0.95
LEVEL = "95 %"
HOST_MARGIN = 0.10
"""How far the control's interval may reach from 1: wider, and the host was too noisy to judge."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Both ends of what holds the true value with the confidence."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether a value is inside."""
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Effect:
    """What a cell does to a metric, against the base: above 1 is slower.

    Attributes:
        blocks: How many have both.
        base, value: The medians, in the metric's unit.
        ratio: The slowdown.
        interval: Of the ratio; None below `LEAST_BLOCKS`, and where some resamples have a median
            of 0 to divide by.
        difference: Median of the cell less that of the base, and its interval.
    """

    blocks: int
    base: float
    value: float
    ratio: float
    interval: Interval | None
    difference: Interval | None

    @property
    def shown(self) -> bool:
        """Whether a difference is shown: the interval excludes 1."""
        return self.interval is not None and not self.interval.holds(1.0)

    @property
    def smallest(self) -> float | None:
        """The smallest factor by which cells must differ for these data to have shown it."""
        if self.interval is None or self.interval.low <= 0:
            return None
        return max(self.ratio / self.interval.low, self.interval.high / self.ratio)

    @property
    def verdict(self) -> str:
        """What may be claimed."""
        if self.interval is None:
            few = self.blocks < LEAST_BLOCKS
            return f"no interval below {LEAST_BLOCKS} blocks" if few else "no interval: values of 0"
        if not self.shown:
            return "no difference shown"
        return "slower" if self.ratio > 1 else "faster"


def effect(
    base: Mapping[int, float], cell: Mapping[int, float], *, better: str = "less", seed: int = 0
) -> Effect | None:
    """Return what a cell's values say against the base's, by block; None where no block has both.

    For a metric that is `better` as "more", a slowdown is base ÷ cell.
    """
    blocks = sorted(base.keys() & cell.keys())
    old, new = [base[one] for one in blocks], [cell[one] for one in blocks]
    return compared(old, new, better=better, seed=seed, paired=True)


def compared(
    old: Sequence[float], new: Sequence[float], *, better: str, seed: int, paired: bool
) -> Effect | None:
    """Return what new values say against old ones; `paired`: they are of the same blocks."""
    if not (old and new):
        return None
    below, above = (old, new) if better == "less" else (new, old)
    if median(below) <= 0:
        return None
    ratio, difference = None, None
    if min(len(old), len(new)) >= LEAST_BLOCKS:
        ratio = _bootstrap(below, above, _ratio, seed=seed, paired=paired)
        difference = _bootstrap(old, new, _difference, seed=seed, paired=paired)
    return Effect(
        blocks=min(len(old), len(new)),
        base=median(old),
        value=median(new),
        ratio=median(above) / median(below),
        interval=ratio,
        difference=difference,
    )


def _ratio(first: Any, second: Any, axis: int = -1) -> Any:
    numpy, _ = libraries()
    with numpy.errstate(divide="ignore", invalid="ignore"):  # what comes of it is no interval
        return numpy.median(second, axis=axis) / numpy.median(first, axis=axis)


def _difference(first: Any, second: Any, axis: int = -1) -> Any:
    numpy, _ = libraries()
    return numpy.median(second, axis=axis) - numpy.median(first, axis=axis)


def _bootstrap(
    first: Sequence[float],
    second: Sequence[float],
    statistic: Callable[..., Any],
    *,
    seed: int,
    paired: bool,
) -> Interval | None:
    """Return the percentile interval: of the methods, the one that covers what it promises.

    None where an end of it is no number.
    """
    numpy, stats = libraries()
    if len(set(first)) == len(set(second)) == 1:
        value = float(statistic(numpy.array(first), numpy.array(second)))
        return Interval(value, value)
    with catch_warnings():
        simplefilter("ignore", stats.DegenerateDataWarning)  # an end that is no number says it, too
        found = stats.bootstrap(
            (first, second),
            statistic,
            paired=paired,
            vectorized=True,
            n_resamples=RESAMPLES,
            confidence_level=CONFIDENCE,
            method="percentile",
            rng=numpy.random.default_rng(seed),
        ).confidence_interval
    low, high = float(found.low), float(found.high)
    return Interval(low, high) if isfinite(low) and isfinite(high) else None


def libraries() -> tuple[Any, Any]:
    """Return numpy and scipy's statistics, which take half a second to load.

    Raises:
        ConfigError: They are not installed.
    """
    try:
        import numpy  # noqa: ICN001, PLC0415
        from scipy import stats  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(
            "Intervals need scipy, which is not installed here.",
            hint="Install it: pip install 'farswitch[study]'",
        ) from error
    return numpy, stats


def host_is_quiet(control: Interval) -> bool:
    """Whether the control's interval is around 1 and within the margin."""
    within = control.low >= 1 - HOST_MARGIN and control.high <= 1 + HOST_MARGIN
    return within and control.holds(1.0)

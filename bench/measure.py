"""One measured thing: the rounds of ours and of a peer, their ratio, and whether it is enough."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from statistics import median
from typing import TypeVar

T = TypeVar("T")
RESAMPLES = 4000
"""Of a bootstrap: its ends then move by less than a hundredth of the interval's width."""
LEVEL = 0.95
SEED = 0
"""Of the bootstrap: the same rounds give the same interval."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What the rounds of one measured thing gave.

    Attributes:
        name: What was measured.
        ours: A figure a round.
        unit: Of `ours` and `peer`.
        against: What the peer is; empty where there is none.
        peer: A figure a round, of the same rounds.
        goal: The most that the median ratio may be; of ours where there is no peer.
        by_interval: The end of the median's confidence interval is held against the goal instead.
        more_is_better: The ratio is the peer's to ours, so that less of it is better throughout.
        found: What takes the time, as this run itself found out.
    """

    name: str
    ours: tuple[float, ...]
    unit: str = "s"
    against: str = ""
    peer: tuple[float, ...] = ()
    goal: float | None = None
    by_interval: bool = False
    more_is_better: bool = False
    found: str = ""

    @property
    def judged(self) -> tuple[float, ...]:
        """The ratio of each round; ours alone where there is no peer."""
        if not self.peer:
            return self.ours
        pairs = zip(self.ours, self.peer, strict=True)
        return tuple(its / own if self.more_is_better else own / its for own, its in pairs)

    @property
    def value(self) -> float:
        """The median of what is judged."""
        return median(self.judged)

    @property
    def interval(self) -> tuple[float, float]:
        """The confidence interval of that median."""
        return interval(self.judged)

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        if self.goal is None:
            return None
        return (self.interval[1] if self.by_interval else self.value) <= self.goal


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the bootstrap's confidence interval of the median (Efron's percentile method)."""
    draw = Random(SEED)
    medians = sorted(median(draw.choices(values, k=len(values))) for _ in range(RESAMPLES))
    cut = round(RESAMPLES * (1 - LEVEL) / 2)
    return medians[cut], medians[-cut - 1]


def in_turns(
    rounds: int,
    sides: Mapping[str, Callable[[], T]],
    report: Callable[[str], None],
    *,
    rotate: bool = False,
) -> dict[str, tuple[T, ...]]:
    """Return what each side returned in each round.

    Every round runs the sides in their order, so that what else goes on on the machine meets all;
    with `rotate`, for sides that do not depend on each other, each round begins with another.
    """
    names, took = list(sides), {name: list[T]() for name in sides}
    for number in range(rounds):
        at = number % len(names) if rotate else 0
        for name in names[at:] + names[:at]:
            took[name].append(sides[name]())
        report(f"round {number + 1} of {rounds}: {_figures(took)}")
    return {name: tuple(values) for name, values in took.items()}


def _figures(took: Mapping[str, Sequence[object]]) -> str:
    last = {name: values[-1] for name, values in took.items()}
    seconds = {name: getattr(one, "seconds", one) for name, one in last.items()}
    return ", ".join(f"{name} {one:.2f}" if isinstance(one, float) else name
                     for name, one in seconds.items())  # fmt: skip


def timed(work: Callable[[], object]) -> float:
    """Return the seconds of a piece of work."""
    start = time.monotonic()
    work()
    return time.monotonic() - start

"""The search for the highest rate without loss: RFC 2544, 26.1, with lossy trials verified."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

TRIALS = 6
"""Of one search at most, repeated ones included."""
RESOLUTION = 0.05
"""Of the lowest rate with loss: where the bounds are this near, the search is over."""
GUESS = 0.95
"""Of the rate that came through at full load: tried next."""
TRANSIENT = 0.01
"""A loss of less than this share is tried once more before it counts: on a machine with other work
it may be the scheduler's (ETSI GS NFV-TST 009, 12.3.3: binary search with loss verification)."""
Limit = Literal["switch", "underlay", "generator"]


@dataclass(frozen=True, slots=True)
class LoadTrial:
    """One trial of a search: frames a second that were sent, and the share of them lost.

    `own`: the generator itself had no room for some, which are not counted as lost.
    """

    rate: float
    loss: float
    own: bool = False


@dataclass(frozen=True, slots=True)
class Throughput:
    """What a search found, in frames a second.

    Attributes:
        rate: The highest without loss; 0 where each had some.
        below: The lowest with loss that is above it; None where no trial had any.
        offered: At full speed: what the generator sent.
        forwarded: At full speed: what came through.
        trials: How many it took.
        own: The generator had no room for frames of a trial.
    """

    rate: float
    below: float | None
    offered: float
    forwarded: float
    trials: int
    own: bool = False

    @property
    def limited_by_generator(self) -> bool:
        """Whether no rate that could be sent was too high."""
        return self.below is None


def search(trial: Callable[[float], LoadTrial]) -> Throughput:
    """Find it; `trial` sends at a rate, or with 0 as fast as it can."""
    made = 0
    own = False

    def verified(rate: float) -> LoadTrial:
        nonlocal made, own
        made += 1
        attempt = trial(rate)
        own = own or attempt.own
        if 0 < attempt.loss < TRANSIENT and made < TRIALS:
            made += 1
            attempt = trial(rate)
            own = own or attempt.own
        return attempt

    full = verified(0)
    forwarded = full.rate * (1 - full.loss)
    if not full.loss:
        return Throughput(full.rate, None, full.rate, forwarded, made, own)
    low, high, rate = 0.0, full.rate, GUESS * forwarded
    while made < TRIALS and high - low > RESOLUTION * high and rate >= 1:
        attempt = verified(rate)
        if attempt.loss:
            high = min(high, rate)
        else:
            low = max(low, attempt.rate)
        rate = (low + high) / 2
    return Throughput(low, high, full.rate, forwarded, made, own)

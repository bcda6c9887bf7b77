"""What the bench found of one switch, as values. Sizes are in bytes with the CRC, as RFC 2544's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from farswitch.switch_bench.rate_search import Limit


@dataclass(frozen=True, slots=True)
class Latency:
    """How long frames took one way at a load of so many frames a second, in microseconds."""

    load: float
    p50: float
    p95: float
    p99: float
    longest: float


@dataclass(frozen=True, slots=True)
class LoadFigures:
    """What came through at which rate; rates are frames a second, each sent once.

    Attributes:
        size: Of the frames.
        throughput: The highest rate without loss.
        below: The lowest rate with loss; None where none had any.
        limit: What kept it from being higher.
        offered: At full load: what was sent.
        forwarded: At full load: what came through.
        trials: How many the search took.
    """

    size: int
    throughput: float
    below: float | None
    limit: Limit
    offered: float
    forwarded: float
    trials: int


@dataclass(frozen=True, slots=True)
class LightFigures:
    """What came of a light load, the same for all switches; `loss` is a share of all copies."""

    size: int
    sent: int
    loss: float
    doubled: int
    reordered: int
    latency: Latency


@dataclass(frozen=True, slots=True)
class LearningFigures:
    """Addresses that were learnt at a rate, of how many (RFC 2889, 5.7 and 5.8).

    Attributes:
        rate: Addresses a second.
        kept: By how many were taught: how many were known after that.
        most: The largest number of which all were; 0 where of none.
        fastest: The highest rate at which `most`, or a thousand, were all learnt; None where no
            number was.
    """

    rate: float
    kept: Mapping[int, int]
    most: int
    fastest: float | None


@dataclass(frozen=True, slots=True)
class RecoveryFigures:
    """A port that went down and came up in a stream of so many frames a second (RFC 6201).

    `outage_ms` is of the frames lost, `silence_ms` between two frames; `recovery_ms` is the outage
    after the port was up again.
    """

    rate: float
    lost: int
    down_ms: float
    outage_ms: float
    silence_ms: float

    @property
    def recovery_ms(self) -> float:
        """Milliseconds from the port's being up to the first frame."""
        return max(0.0, self.outage_ms - self.down_ms)


@dataclass(slots=True)
class SwitchFigures:
    """All that was measured of one switch; what was not is empty.

    `half` is the latency by size at half of the throughput.
    """

    loads: list[LoadFigures] = field(default_factory=list)
    lights: list[LightFigures] = field(default_factory=list)
    half: dict[int, Latency] = field(default_factory=dict)
    learning: LearningFigures | None = None
    flooding: LoadFigures | None = None
    flooding_light: LightFigures | None = None
    broadcast: LoadFigures | None = None
    broadcast_light: LightFigures | None = None
    mesh: LoadFigures | None = None
    recovery: RecoveryFigures | None = None
    ceiling: dict[int, float] = field(default_factory=dict)

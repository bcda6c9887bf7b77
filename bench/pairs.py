"""What a run of the benchmark of builds gave, and how it reads."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Build:
    """One build: seconds of the whole process, and the JSON document that it printed.

    `guests` are processor seconds of all guests at its end, `own` of the build's own processes.
    """

    seconds: float
    document: Mapping[str, Any]
    own: float = 0.0
    guests: float = 0.0


@dataclass(frozen=True, slots=True)
class Bare:
    """Seconds to the last guest's login, and processor seconds of all guests until then."""

    seconds: float
    guests: float


@dataclass(frozen=True, slots=True)
class Pair:
    """Bare guests, and the build that came after."""

    bare: Bare
    build: Build

    @property
    def ratio(self) -> float:
        return self.build.seconds / self.bare.seconds


def middle(pairs: Sequence[Pair]) -> Pair:
    """Return the pair whose build took the median time, the slower of two in the middle."""
    return sorted(pairs, key=lambda pair: pair.build.seconds)[len(pairs) // 2]


def ratio(pairs: Sequence[Pair]) -> float:
    """Return the median of the pairs' ratios."""
    return statistics.median(pair.ratio for pair in pairs)


def render(pairs: Sequence[Pair]) -> Iterator[str]:
    """Yield the lines of the result: times, ratio, and the stages of the median build."""
    yield f"{'':30} {'median':>8} {'min':>8} {'max':>8}"
    yield _times("bare guests, to the ssh login", [pair.bare.seconds for pair in pairs])
    yield _times("build, whole process", [pair.build.seconds for pair in pairs])
    yield _times("processor: bare guests", [pair.bare.guests for pair in pairs])
    yield _times("processor: the build's guests", [pair.build.guests for pair in pairs])
    yield _times("processor: the build itself", [pair.build.own for pair in pairs])
    every = " ".join(f"{pair.ratio:.2f}" for pair in pairs)
    yield f"{'build / bare':30} {ratio(pairs):8.2f}   ({every})"
    chosen = middle(pairs)
    yield ""
    yield f"stages of the median build ({chosen.build.seconds:.1f} s); guests' stages overlap"
    yield from _stages(chosen.build)


def _times(name: str, seconds: Sequence[float]) -> str:
    figures = (statistics.median(seconds), min(seconds), max(seconds))
    return f"{name:30} " + " ".join(f"{figure:6.1f} s" for figure in figures)


def _stages(build: Build) -> Iterator[str]:
    for stage in build.document["stages"]:
        yield f"  {stage['name']:16} {stage['hosts']:5} hosts {stage['seconds']:7.1f} s"
    around = build.seconds - build.document["seconds"]
    yield f"  {'start and end of Python':28} {around:7.1f} s"

"""The throughput of switches side by side, as bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ThroughputBar:
    """One switch at one size; `share` of the longest bar, 0 to 1; `own`: the switch limits it."""

    switch: str
    rate: float
    share: float
    own: bool


@dataclass(frozen=True, slots=True)
class ThroughputGroup:
    """The switches at one size of frames, in bytes with the CRC."""

    size: int
    bars: tuple[ThroughputBar, ...]


def throughput_bars(bench: Mapping[str, Any]) -> Sequence[ThroughputGroup]:
    """Return the groups, a size each; none where no throughput was measured."""
    loads = [(one["name"], load) for one in bench.get("switches", ()) for load in one["loads"]]
    longest = max((load["throughput"] for _, load in loads), default=0.0) or 1.0
    return [
        ThroughputGroup(
            size,
            tuple(
                ThroughputBar(
                    name,
                    load["throughput"],
                    load["throughput"] / longest,
                    own=load["limit"] == "switch",
                )
                for name, load in loads
                if load["size"] == size
            ),
        )
        for size in sorted({load["size"] for _, load in loads})
    ]

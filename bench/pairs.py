"""What a run of a workflow took, and where its time went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

STAGES = 6
"""How many stages of a run are named: the longest."""


@dataclass(frozen=True, slots=True)
class Build:
    """One build, or guests started bare: seconds of the whole, and the document that it printed.

    `guests` are processor seconds of all guests at its end, `own` of the build's own processes.
    """

    seconds: float
    document: Mapping[str, Any]
    own: float = 0.0
    guests: float = 0.0


def middle(builds: Sequence[Build]) -> Build:
    """Return the build that took the median time, the slower of two in the middle."""
    return sorted(builds, key=lambda build: build.seconds)[len(builds) // 2]


def longest(builds: Sequence[Build]) -> str:
    """Return the longest stages of the median build; those of guests run at their own pace."""
    chosen = middle(builds)
    seconds = {stage["name"]: float(stage["seconds"]) for stage in chosen.document["stages"]}
    seconds["start and end of Python"] = chosen.seconds - chosen.document["seconds"]
    named = sorted(seconds, key=lambda name: -seconds[name])[:STAGES]
    own = f"; processor of our own processes {chosen.own:.1f} s" if chosen.own else ""
    return f"{', '.join(f'{name} {seconds[name]:.1f} s' for name in named)} (overlapping){own}."

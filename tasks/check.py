"""One judgement of verify: what was measured, what was expected, and the fix when they differ."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """A named verdict about one host; `hint` gives the usual cause and the fix."""

    name: str
    host: str
    ok: bool
    measured: str
    expected: str
    hint: str = ""

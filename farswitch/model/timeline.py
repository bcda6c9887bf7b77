"""A timeline of impairments: what is done to which port from when till when.

A timeline's file and a study write its events in the grammar of `farswitch.model.impairment`:
`events: [{at: 10 s, port: node3, to_guest: {loss: 1 %}, for: 5 s}]`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Self

from pydantic import Field, PlainSerializer, model_validator

from farswitch.model.field_types import Fields, refuse_if
from farswitch.model.impairment import (
    DIRECTIONS,
    TIMES,
    Direction,
    LinkDown,
    PortImpairment,
    quantity,
    shown_time,
)

LONGEST = 86_400_000_000
"""Microseconds that a timeline has at most: a day."""
Moment = Annotated[
    int,
    quantity(TIMES, 0, LONGEST),
    PlainSerializer(shown_time),
    Field(title="a time of up to a day with its unit, as 10s or 500ms"),
]
"""Microseconds."""
Length = Annotated[
    int,
    quantity(TIMES, 1000, LONGEST),
    PlainSerializer(shown_time),
    Field(title="a time from 1ms to a day with its unit, as 5s or 500ms"),
]
"""Microseconds."""


class ImpairmentEvent(Fields):
    """One entry of a timeline: what is done to ports from a moment on, instead of what was."""

    at: Moment
    """how long after the start"""
    port: Annotated[str, Field(min_length=1, title="a guest's name or a node set")]
    """whose ports"""
    to_guest: Direction = None
    """what the guests get from then on"""
    from_guest: Direction = None
    """what they send"""
    link: LinkDown = None
    """`down`: the ports are down"""
    length: Annotated[Length | None, Field(alias="for")] = None
    """how long; until the timeline's end where not given"""

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        refuse_if(not any((self.to_guest, self.from_guest, self.link)))
        return self


class TimelineFile(Fields):
    """A file of `farswitch impair run`."""

    events: Annotated[
        list[ImpairmentEvent],
        Field(
            min_length=1, title="a list of events, as {at: 1 s, port: node2, link: down, for: 1 s}"
        ),
    ]
    """what is done to which port, and when"""
    length: Length | None = None
    """when it ends; with the last event where not given"""


@dataclass(frozen=True, slots=True)
class TimelineStep:
    """A moment of a timeline at which a port changes.

    Attributes:
        at: Microseconds after the start.
        guest: Whose port.
        before, after: What is done to it.
    """

    at: int
    guest: str
    before: PortImpairment
    after: PortImpairment

    def __str__(self) -> str:
        return f"{self.guest} {self.after}"


@dataclass(slots=True)
class _Changes:
    """What becomes of one port along a timeline."""

    base: PortImpairment
    spans: list[tuple[int, int, str, Any]] = field(default_factory=list)

    def steps(self, guest: str, end: int) -> Iterator[TimelineStep]:
        """Yield the port's steps, without those at which nothing changes."""
        moments = {moment for start, stop, *_ in self.spans for moment in (start, min(stop, end))}
        before = self.base
        for moment in sorted(moments):
            here = {key: done for start, stop, key, done in self.spans if start <= moment < stop}
            after = self.base if moment >= end else self.base.model_copy(update=here)
            if after != before:
                yield TimelineStep(moment, guest, before, after)
            before = after


def steps_of(
    events: Sequence[tuple[tuple[str, ...], ImpairmentEvent]],
    base: Mapping[str, PortImpairment],
    length: int | None = None,
) -> tuple[TimelineStep, ...]:
    """Return the steps of a timeline, in the order of time; at its end all is as in `base`.

    Args:
        events: Each with the names of its guests.
        base: What is done to ports while no event is.
        length: Microseconds to the end, where it is known; events without a length last till then.

    Raises:
        ValueError: Two events are about one direction of a port at the same time, or no end is
            known; its text is a sentence's predicate.
    """
    end = length or max((one.at + (one.length or 0) for _, one in events), default=0)
    ports: dict[str, _Changes] = {}
    for guests, event in events:
        stop = end if event.length is None else event.at + event.length
        if stop <= event.at or event.at >= end:
            raise ValueError(f"the event at {shown_time(event.at)} has no length")
        for guest in guests:
            port = ports.setdefault(guest, _Changes(base.get(guest, PortImpairment())))
            for key in (*DIRECTIONS, "link"):
                if (done := getattr(event, key)) is None:
                    continue
                for start, until, other, _ in port.spans:
                    if other == key and start < stop and event.at < until:
                        raise ValueError(
                            f"the events at {shown_time(start)} and {shown_time(event.at)} are "
                            f"both about '{key}' of '{guest}'"
                        )
                port.spans.append((event.at, stop, key, done))
    found = [step for guest, port in ports.items() for step in port.steps(guest, end)]
    return tuple(sorted(found, key=lambda step: step.at))

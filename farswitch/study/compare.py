"""Two studies side by side: what differs in how they were made, then the figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from farswitch.study.kept import document
from farswitch.study.plan import Study
from farswitch.study.results import RunRecord
from farswitch.study.statistics import Effect, compared
from farswitch.study.summary import StudyRow, summarise


@dataclass(frozen=True, slots=True)
class Ran:
    """A study with its runs, and where it ran."""

    study: Study
    cluster: str
    records: Sequence[RunRecord]


@dataclass(frozen=True, slots=True)
class Changed:
    """A metric in a cell that both studies have: the second against the first."""

    row: StudyRow
    effect: Effect


def made_differently(first: Ran, second: Ran) -> Iterator[tuple[str, str, str]]:
    """Yield what differs in plan and machines: name, in the first, in the second."""
    plans = [document(one.study, one.cluster) for one in (first, second)]
    machines = [one.records[-1].environment if one.records else {} for one in (first, second)]
    for old, new in (plans, machines):
        flat = [dict(_flat(one)) for one in (old, new)]
        for name in dict.fromkeys((*flat[0], *flat[1])):
            values = [str(one.get(name, "-")) for one in flat]
            if values[0] != values[1]:
                yield name, values[0], values[1]


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of a document; a list is one leaf."""
    if not isinstance(value, Mapping):
        yield name, value
        return
    for key, inner in value.items():
        yield from _flat(inner, f"{name}.{key}" if name else key)


def changes(first: Ran, second: Ran) -> Iterator[Changed]:
    """Yield each metric and cell that both have; their blocks have nothing in common."""
    old = {(row.metric, row.cell): row for row in summarise(first.study, first.records).rows}
    for row in summarise(second.study, second.records).rows:
        before = old.get((row.metric, row.cell))
        if before is None or before.unit != row.unit:
            continue
        seed = second.study.seed
        found = compared(before.values, row.values, better=row.better, seed=seed, paired=False)
        if found:
            yield Changed(row, found)

"""How much slower a program gets beside another one: the matrix of pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal

from farswitch.study.document import ALONE
from farswitch.study.plan import Cell, Study
from farswitch.study.results import RunRecord, values_of
from farswitch.study.statistics import Effect, effect

BEARABLE, HEAVY = 1.1, 2.0
"""Slowdowns at which pairs of NPB programs that share a switch were classed by others."""
SlowdownClass = Literal["below 1.1", "1.1 to 2", "above 2"]


@dataclass(frozen=True, slots=True)
class Beside:
    """A metric beside a neighbour, against itself alone in the same blocks.

    Attributes:
        where: What a table calls the other factors of the cell; empty where there are none.
    """

    metric: str
    neighbour: str
    where: str
    effect: Effect

    @property
    def slowdown_class(self) -> SlowdownClass:
        """Where the ratio lies; its interval may reach further."""
        if self.effect.ratio < BEARABLE:
            return "below 1.1"
        return "1.1 to 2" if self.effect.ratio <= HEAVY else "above 2"


def interference(study: Study, records: Sequence[RunRecord]) -> tuple[Beside, ...]:
    """Return the slowdown of each metric beside each neighbour, in cells that are else the same."""
    return tuple(_beside(study, records))


def _beside(study: Study, records: Sequence[RunRecord]) -> Iterator[Beside]:
    better = {name: value.better for record in records for name, value in record.values.items()}
    for metric, cells in values_of(records).items():
        for cell in study.cells:
            alone = cells.get(replace(cell, neighbour=ALONE).key, {})
            here = cells.get(cell.key, {})
            if cell.alone or not alone.keys() & here.keys():
                continue
            direction = better[metric.partition(" ")[0]]
            found = effect(alone, here, better=direction, seed=study.seed)
            if found is not None:
                yield Beside(metric, str(cell.neighbour), _where(study, cell), found)


def _where(study: Study, cell: Cell) -> str:
    """Return what tells a cell from those with the same neighbour."""
    same = [other for other in study.cells if other.neighbour == cell.neighbour]
    names = [
        one.name for one in fields(Cell) if len({getattr(other, one.name) for other in same}) > 1
    ]
    return ", ".join(str(getattr(cell, name)) for name in names)

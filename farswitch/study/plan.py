"""What a study runs, in which order: pure."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import product
from typing import Any

from farswitch.model.timeline import ImpairmentEvent
from farswitch.study.document import ALONE, CellEntry, Factors, StudyFile, StudyProgram

DISCARDED = 0
"""The block whose runs are no results: the first use of each cell."""


LOCAL = "local"
OF_PORTS = ("switch", "impair")
"""Factors that a local cell has not: it has no port of the switch."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination of factors. None: as the site has it."""

    switch: str | None = None
    nodes: int | None = None
    impair: str | None = None
    path: str | None = None
    neighbour: str | None = None
    mtu: int | None = None

    @property
    def local(self) -> bool:
        """Whether its nodes talk over a bridge of their hypervisor, past the switch."""
        return self.path == LOCAL

    @property
    def alone(self) -> bool:
        """Whether no other job runs meanwhile."""
        return self.neighbour in {None, ALONE}

    @property
    def key(self) -> str:
        """What results are filed under."""
        named = {one.name: getattr(self, one.name) for one in fields(self)}
        return " ".join(f"{name}={value}" for name, value in named.items() if value is not None)


@dataclass(frozen=True, slots=True)
class Study:
    """A study that can be meant; the first cell is the base of all comparisons.

    `control` is the metric that judges the host. `snapshot` names the state that all guests have at
    the beginning of each block; None: they go on as they are.
    """

    name: str
    cells: tuple[Cell, ...]
    programs: Mapping[str, StudyProgram]
    control: str
    repeats: int
    seed: int
    title: str = ""
    events: tuple[ImpairmentEvent, ...] = ()
    snapshot: str | None = None

    @property
    def base(self) -> Cell:
        return self.cells[0]

    @property
    def shared(self) -> bool:
        """Whether some cells have another job: then each has the first half of the nodes."""
        return not all(cell.alone for cell in self.cells)

    @property
    def runs(self) -> int:
        """How many runs count."""
        return self.repeats * len(self.cells) * len(self.programs)

    @property
    def discarded(self) -> int:
        """How many runs do not: each program's first in each cell."""
        return len(self.cells) * len(self.programs)

    @property
    def first_uses(self) -> Study:
        """The same study without its blocks: a run of each program in each cell, to be discarded.

        They tell how long the blocks take, and are not made again with them.
        """
        return replace(self, repeats=0)

    def label(self, cell: Cell) -> str:
        """Return what a table calls a cell: the factors that differ between cells."""
        names = [
            one.name
            for one in fields(Cell)
            if len({getattr(other, one.name) for other in self.cells}) > 1
        ]
        if cell.local:
            names = [name for name in names if name not in OF_PORTS]
        elif "switch" in names:
            names = [name for name in names if name != "path"]
        return ", ".join(_word(name, getattr(cell, name)) for name in names)


def _word(name: str, value: Any) -> str:
    if value is None:
        return f"the site's {name}"
    if name == "neighbour":
        return "alone" if value == ALONE else f"beside {value}"
    if name == "nodes":
        return f"{value} nodes"
    return f"MTU {value}" if name == "mtu" else str(value)


@dataclass(frozen=True, slots=True)
class RunKey:
    """Which run: a program in a cell in a block."""

    block: int
    cell: str
    program: str


@dataclass(frozen=True, slots=True)
class CellVisit:
    """A stay in a cell: the programs that are to be run there, in their order."""

    block: int
    cell: Cell
    programs: tuple[str, ...]


def cells_of(file: StudyFile) -> tuple[Cell, ...]:
    """Return the cells of a file: the product of its factors, or its list."""
    if file.cells is not None:
        return tuple(_cell(entry) for entry in file.cells)
    factors = file.over or Factors()
    if file.pairs:
        factors = factors.model_copy(update={"neighbour": [ALONE, *file.pairs]})
    lists = [getattr(factors, one.name) or [None] for one in fields(Cell)]
    found: list[Cell] = []
    for cell in (Cell(*values) for values in product(*lists)):
        here = replace(cell, **dict.fromkeys(OF_PORTS)) if cell.local else cell
        if not (here.local and here in found):  # it stands once, for all switches
            found.append(here)
    return tuple(found)


def _cell(entry: CellEntry) -> Cell:
    return Cell(**{one.name: getattr(entry, one.name) for one in fields(Cell)})


def visits(study: Study, done: Collection[RunKey] = ()) -> list[CellVisit]:
    """Return what is left to do, in order.

    A block's order is drawn by the seed and its number alone: a study that was cut off, or that is
    given more repeats, goes on as it would have. The first use of a cell is a block of its own.
    """
    found = []
    for block in range(DISCARDED, study.repeats + 1):
        for cell, programs in _block(study, block):
            left = (one for one in programs if RunKey(block, cell.key, one) not in done)
            if names := tuple(left):
                found.append(CellVisit(block, cell, names))
    return found


def _block(study: Study, block: int) -> Iterator[tuple[Cell, Sequence[str]]]:
    draw = random.Random(f"{study.seed}/{block}")  # noqa: S311 - an order, no secret
    for cell in draw.sample(study.cells, len(study.cells)):
        yield cell, draw.sample(sorted(study.programs), len(study.programs))

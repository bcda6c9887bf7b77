"""A study's file: what each key may be, is by default, and means."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ModelWrapValidatorHandler, model_validator

from farswitch.model.field_types import Fields, Nested, number, refuse_if, text

BUILTIN = "builtin"
"""What a study writes for the kernels that come with farswitch."""
LEAST_BLOCKS = 6
"""Repeats below which no interval is given: of fewer, a bootstrap knows too little."""
NO_IMPAIRMENT = "none"
MOST_CELLS = 200


def _one_group(pattern: str) -> str:
    """Refuse a pattern from which no number can be taken."""
    try:
        groups = re.compile(pattern).groups
    except re.error:
        groups = 0
    refuse_if(groups != 1)
    return pattern


SwitchName = Annotated[str, Field(title="the name of a switch of the site, or a kind of switch")]
NodeCount = Annotated[int, number(2, 900)]
Name = Annotated[str, text(r"[a-z][a-z0-9_-]{0,30}", "a name of a-z, 0-9, '_' and '-'")]
A_PROGRAM = "a mapping with 'run' and 'metric', or 'builtin' for farswitch's own kernels"


class Metric(Fields):
    """What is read of a program's output: the number that the pattern's one group matches."""

    find: Annotated[
        str,
        AfterValidator(_one_group),
        Field(title="a regular expression with one group, which is the number"),
    ]
    """the first match in what the program prints, on either stream"""
    unit: Annotated[str, Field(min_length=1, max_length=20, title="a unit, as s or Mop/s")]
    better: Annotated[Literal["less", "more"], Field(title="'less' or 'more'")] = "less"
    """`more` for rates: a slowdown is then base ÷ cell"""


class Program(Fields):
    """A program that is measured: our own kernels, or a command of the user's under mpiexec."""

    run: Annotated[str, Field(min_length=1, max_length=4096, title="a command, as on a shell")]
    metric: Annotated[Metric, Field(title="a mapping with 'find' and 'unit'")]
    ranks: Annotated[int | None, number(1, 10_000)] = None
    """of MPI; as many as there are nodes if not said"""
    timeout: Annotated[int, number(1, 86_400, unit="seconds")] = 600

    @model_validator(mode="wrap")
    @classmethod
    def _ours(cls, value: Any, handler: ModelWrapValidatorHandler[Program]) -> Program:
        return KERNELS if value == BUILTIN else handler(value)

    @property
    def builtin(self) -> bool:
        return not self.run


KERNELS = Program.model_construct(run="")
"""Farswitch's own kernels."""


class CellEntry(Fields):
    """One cell; what it does not name is as the site has it."""

    switch: SwitchName | None = None
    nodes: NodeCount | None = None


class Factors(Fields):
    """The values of each factor: the cells are their product, the first of each is the base."""

    switch: Annotated[list[SwitchName] | None, Field(min_length=1, title="a list of switches")] = (
        None
    )
    nodes: Annotated[
        list[NodeCount] | None, Field(min_length=1, title="a list of numbers from 2")
    ] = None


class StudyFile(Fields):
    """The whole file."""

    title: str = ""
    """a sentence for the report's head"""
    over: Annotated[Factors | None, Field(title="a mapping from factors to lists")] = None
    cells: Annotated[
        list[CellEntry] | None, Field(min_length=2, title="a list of mappings with factors")
    ] = None
    programs: Annotated[
        dict[Name, Program],
        Nested(lambda: Program, named=True),
        Field(min_length=1, title=f"names, each with {A_PROGRAM}"),
    ]
    control: Annotated[str, Field(title="a program, or PROGRAM.compute")] = ""
    """what never touches the network: it judges the host"""
    repeats: Annotated[int, number(1, 1000)] = 10
    """blocks: each has every cell once, in an order of its own"""
    seed: Annotated[int, number(0, 2**31)] = 1

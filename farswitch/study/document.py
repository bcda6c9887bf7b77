"""A study's file: what each key may be, is by default, and means."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    ModelWrapValidatorHandler,
    PlainValidator,
    model_validator,
)

from farswitch.apps.recipe import app_folder, read_recipe
from farswitch.errors import ConfigError
from farswitch.guests.snapshots import NAME, NAME_WANTED
from farswitch.model.field_types import MTU_MAX, MTU_MIN, Fields, Nested, number, text
from farswitch.model.metric import Metric
from farswitch.model.timeline import ImpairmentEvent
from farswitch.study.impairments import parse_impair

BUILTIN = "builtin"
"""What a study writes for the kernels that come with farswitch."""
LEAST_BLOCKS = 6
"""Repeats below which no interval is given: of fewer, a bootstrap knows too little."""
ALONE = "none"
"""The neighbour of a cell whose programs have the switch to themselves."""
MOST_CELLS = 200


def _recipe(name: str) -> str:
    try:
        read_recipe(name)
    except ConfigError as error:
        raise ValueError from error
    return name


Impair = Annotated[
    str,
    PlainValidator(parse_impair),
    Field(title="'none', or a text as 'node2 to_guest delay 2ms loss 1%'"),
]
PathName = Annotated[Literal["local", "remote"], Field(title="'local' or 'remote'")]
SwitchName = Annotated[str, Field(title="the name of a switch of the site, or a kind of switch")]
NeighbourName = Annotated[str, Field(title=f"'{ALONE}', or a program of the study")]
NodeCount = Annotated[int, number(2, 900)]
MtuSize = Annotated[int, number(MTU_MIN, MTU_MAX, unit="bytes")]
Name = Annotated[str, text(r"[a-z][a-z0-9_-]{0,30}", "a name of a-z, 0-9, '_' and '-'")]
A_PROGRAM = "a mapping with 'run' and 'metric', or 'builtin' for farswitch's own kernels"


class StudyProgram(Fields):
    """A program that is measured: our own kernels, or a command of the user's under mpiexec."""

    run: Annotated[str, Field(min_length=1, max_length=4096, title="a command, as on a shell")]
    app: Annotated[
        Annotated[str, AfterValidator(_recipe)] | None,
        Field(title="a recipe of `farswitch app list`, or the path of one"),
    ] = None
    """whose program it is: `run` begins with its name in the application's folder, and its recipe
    has the metric"""
    metric: Annotated[Metric | None, Field(title="a mapping with 'find' and 'unit'")] = None
    ranks: Annotated[int | None, number(1, 10_000)] = None
    """of MPI; as many as there are nodes if not said"""
    timeout: Annotated[int, number(1, 86_400, unit="seconds")] = 600

    @model_validator(mode="wrap")
    @classmethod
    def _ours(cls, value: Any, handler: ModelWrapValidatorHandler[StudyProgram]) -> StudyProgram:
        return KERNELS if value == BUILTIN else handler(value)

    @property
    def builtin(self) -> bool:
        return not self.run

    @property
    def known_metric(self) -> Metric | None:
        """Its own metric, or what its application's recipe says of it."""
        if self.metric or self.app is None:
            return self.metric
        return read_recipe(self.app)[1].metric(self.run.split()[0])

    def on(self, share: str) -> StudyProgram:
        """Return it with what the recipe says, as it is run where the share is at a path."""
        if self.app is None:
            return self
        folder = app_folder(share, read_recipe(self.app)[0])
        more = {"run": f"{folder}/bin/{self.run}", "metric": self.known_metric}
        return self.model_copy(update=more)


KERNELS = StudyProgram.model_construct(run="")
"""Farswitch's own kernels."""


class CellEntry(Fields):
    """One cell; what it does not name is as the site has it."""

    switch: SwitchName | None = None
    nodes: NodeCount | None = None
    impair: Impair | None = None
    path: PathName | None = None
    neighbour: NeighbourName | None = None
    mtu: MtuSize | None = None
    """of the guests' data NICs, in bytes of IP packet"""


class Factors(Fields):
    """The values of each factor: the cells are their product, the first of each is the base."""

    switch: Annotated[list[SwitchName] | None, Field(min_length=1, title="a list of switches")] = (
        None
    )
    nodes: Annotated[
        list[NodeCount] | None, Field(min_length=1, title="a list of numbers from 2")
    ] = None
    impair: Annotated[
        list[Impair] | None,
        Field(min_length=1, title="a list of 'none' and texts as 'node2 to_guest delay 2ms'"),
    ] = None
    path: Annotated[
        list[PathName] | None, Field(min_length=1, title="a list of 'local' and 'remote'")
    ] = None
    neighbour: Annotated[
        list[NeighbourName] | None,
        Field(min_length=1, title=f"a list of '{ALONE}' and programs of the study"),
    ] = None
    mtu: Annotated[
        list[MtuSize] | None,
        Field(min_length=1, title=f"a list of numbers from {MTU_MIN} to {MTU_MAX}"),
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
        dict[Name, StudyProgram],
        Nested(lambda: StudyProgram, named=True),
        Field(min_length=1, title=f"names, each with {A_PROGRAM}"),
    ]
    pairs: Annotated[
        list[Name] | None, Field(min_length=1, title="a list of programs of the study")
    ] = None
    """short for the factor `neighbour` with 'none' and these"""
    control: Annotated[str, Field(title="a program, or PROGRAM.compute")] = ""
    """what never touches the network: it judges the host"""
    events: Annotated[
        list[ImpairmentEvent] | None,
        Field(title="a list of mappings with 'at', 'port' and what is done"),
    ] = None
    """what is done to ports while a program runs, in each run of each cell that is not local"""
    snapshot: Annotated[str | None, text(NAME, NAME_WANTED)] = None
    """the state that all guests have at the beginning of each block"""
    repeats: Annotated[int, number(1, 1000)] = 10
    """blocks: each has every cell once, in an order of its own"""
    seed: Annotated[int, number(0, 2**31)] = 1

"""A job of MPI that goes on while it is asked for more, and what our own programs report in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, Field

from farswitch.connections.shell.base import Shell
from farswitch.guests.mpi_launch import as_user
from farswitch.model.machines import Guest
from farswitch.model.settings import Settings
from farswitch.pace import whole
from farswitch.remote_program import RemoteProgram

GRACE = 5
"""Seconds that a job has to end by itself before it is killed."""


class Started(BaseModel):
    """`mpi_laps.py`: all ranks run, on these nodes."""

    rung: Literal["start"]
    nodes: Sequence[str]


class LapEnded(BaseModel):
    """`mpi_laps.py`: a lap around all ranks has ended."""

    rung: Literal["lap"]


class Initialised(BaseModel):
    """`mpi_ladder.py`: MPI has started."""

    rung: Literal["init"]
    ranks: int


class BarrierPassed(BaseModel):
    """`mpi_ladder.py`: all ranks met in a barrier, on these nodes."""

    rung: Literal["barrier"]
    nodes: Sequence[str]


class RingPassed(BaseModel):
    """`mpi_ladder.py`: a message went around all ranks."""

    rung: Literal["ring"]
    bytes: int
    seconds: float
    intact: bool


class PairTimes(BaseModel):
    """One direction of a pair of ranks; `latency`, in seconds, is half of a round trip."""

    sender: int = Field(alias="from")
    receiver: int = Field(alias="to")
    bytes: int
    seconds: float
    intact: bool
    latency: float


class Round(BaseModel):
    """To `mpi_ladder.py`: these pairs of ranks send each other so many bytes."""

    bytes: int
    pairs: Sequence[tuple[int, int]]


class RoundEnded(BaseModel):
    """`mpi_ladder.py`: the pairs of a round sent each other the payload."""

    rung: Literal["round"]
    pairs: Sequence[PairTimes]


def mpi_job(
    login: Shell, settings: Settings, guests: Sequence[Guest], program: Sequence[str], seconds: int
) -> RemoteProgram:
    """Return the job: one rank a guest, started from the first.

    The guest itself ends it after `seconds`, or more where machines are slow, also when nobody is
    here any more.
    """
    seconds, hosts = whole(seconds), ",".join(str(guest.data_address.ip) for guest in guests)
    mpiexec = ["mpiexec.mpich", "-np", str(len(guests)), "-hosts", hosts]
    limited = ["timeout", "-k", str(GRACE), str(seconds), *mpiexec, *program]
    return RemoteProgram(
        login, as_user(settings, limited), name="MPI job", seconds=seconds + 2 * GRACE
    )

"""Another job on the other half of the nodes, repeated for as long as the measured one runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from pydantic import BaseModel, ConfigDict

from farswitch.connections.shell.base import Shell
from farswitch.guests.mpi_launch import as_user
from farswitch.model.machines import Guest
from farswitch.model.settings import Settings
from farswitch.pace import patient
from farswitch.remote import command
from farswitch.remote_program import RemoteProgram
from farswitch.study.results import PortTraffic

LEAST_NODES = 4
"""Two for each of both jobs: a job on one node sends nothing through the switch."""
START_SECONDS = 60.0


class _Started(BaseModel):
    """What `mpi_repeat.py` prints at each start."""

    model_config = ConfigDict(frozen=True)

    started: int


class Neighbour:
    """A job that goes on beside another one."""

    def __init__(self, program: RemoteProgram) -> None:
        self._program = program
        self.started = program.receive(_Started, patient(START_SECONDS)).started

    def look(self) -> int:
        """Return how often it has been started by now.

        Raises:
            FarswitchError: A run of it failed.
        """
        while self._program.waiting():
            self.started = self._program.receive(_Started).started
        return self.started


@contextmanager
def neighbour(
    login: Shell, settings: Settings, argv: Sequence[str], seconds: float
) -> Iterator[Neighbour]:
    """Run a job again and again until the block ends; its first run has been started before it.

    Args:
        login: Its own first node.
        settings: The cluster's, for its user.
        argv: The command of one run.
        seconds: When it is ended in any case.

    Raises:
        FarswitchError: It cannot be started.
    """
    repeated = as_user(settings, command("mpi_repeat", *argv))
    with RemoteProgram(login, repeated, name="neighbouring job", seconds=seconds) as program:
        yield Neighbour(program)


def halves(guests: Sequence[Guest]) -> tuple[tuple[Guest, ...], tuple[Guest, ...]]:
    """Return the nodes of the measured job, and those of its neighbour; an odd one is left out."""
    half = len(guests) // 2
    return tuple(guests[:half]), tuple(guests[half : 2 * half])


def silent(ports: Mapping[str, PortTraffic], guests: Sequence[Guest]) -> str:
    """Return whose bytes of a neighbour did not cross the switch meanwhile; else nothing."""
    for guest in guests:
        counted = ports.get(guest.name)
        if counted is None or not counted.received:
            return f"The neighbouring job sent nothing through the port of '{guest.name}'."
    return ""

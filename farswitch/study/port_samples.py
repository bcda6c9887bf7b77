"""What ports carry over the time of a run: read on the switch's server, by that server's clock."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise

from pydantic import BaseModel, ConfigDict

from farswitch.connections.shell.base import Shell
from farswitch.pace import patient
from farswitch.remote import command
from farswitch.remote_program import RemoteProgram
from farswitch.study.results import PortSamples

SPACING = 0.1
"""Seconds between two readings at first; a long run doubles it, again and again."""
MOST, MOST_FIGURES = 200, 20_000
"""Readings that are kept of a run, and of all of its ports together."""
SECONDS = 30.0


class _Line(BaseModel):
    """To `port_samples.py`: begin, or come to an end."""


class _Clock(BaseModel):
    """`port_samples.py`: the server's monotonic clock."""

    now: float


class _Read(BaseModel):
    """`port_samples.py`: what interfaces had received and sent at each moment."""

    model_config = ConfigDict(frozen=True)

    at: Sequence[float]
    bytes: Mapping[str, Sequence[tuple[int, int]]]


class PortSampler:
    """Readings that go on; `ports` has the interface of each guest."""

    def __init__(self, program: RemoteProgram, ports: Mapping[str, str]) -> None:
        self._program, self._ports = program, ports
        program.receive(_Clock, patient(SECONDS))  # its start takes longer than an answer
        before = time.monotonic()
        clock = program.ask(_Line(), _Clock)
        self._ahead = clock.now - (before + time.monotonic()) / 2

    def end(self, zero: float) -> PortSamples:
        """End it, and return what was read; moments are counted from `zero` of our own clock.

        Raises:
            RemoteProgramError: It has ended before.
        """
        self._program.send(_Line())
        read = self._program.receive(_Read, patient(SECONDS))
        return samples_of(read.at, read.bytes, self._ports, zero + self._ahead)


@contextmanager
def port_sampler(login: Shell, ports: Mapping[str, str], seconds: float) -> Iterator[PortSampler]:
    """Read what ports carry until the block ends.

    Args:
        login: The switch's server.
        ports: By guest: the interface there that its frames come by.
        seconds: When it is ended in any case.

    Raises:
        FarswitchError: It cannot be started.
    """
    most = max(2, min(MOST, MOST_FIGURES // max(1, len(ports))))
    argv = command("port_samples", f"{SPACING:g}", str(most), *ports.values())
    with RemoteProgram(login, argv, name="reading of ports", seconds=seconds) as program:
        yield PortSampler(program, ports)


def samples_of(
    at: Sequence[float],
    counted: Mapping[str, Sequence[tuple[int, int]]],
    ports: Mapping[str, str],
    zero: float,
) -> PortSamples:
    """Return what grew from reading to reading, by guest; moments are counted from `zero`."""
    grown = {
        guest: [(new[0] - old[0], new[1] - old[1]) for old, new in pairwise(counted[port])]
        for guest, port in ports.items()
        if port in counted
    }
    return PortSamples(
        at=[round(moment - zero, 3) for moment in at],
        received={guest: [into for into, _ in found] for guest, found in grown.items()},
        sent={guest: [out for _, out in found] for guest, found in grown.items()},
    )

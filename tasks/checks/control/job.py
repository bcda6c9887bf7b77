"""The MPI job of the negative control: it runs laps around all nodes until it is told to end."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from farswitch.connections.shell.base import Shell
from farswitch.errors import FarswitchError
from farswitch.model.machines import Guest
from farswitch.model.settings import Settings
from farswitch.pace import factor, patient, whole
from farswitch.proof.mpi_job import LapEnded, Started, mpi_job
from farswitch.remote import shell_command, source
from farswitch.remote_program import RemoteProgram, RemoteProgramError

START_SECONDS = 60.0
"""Until a job has run its first laps: 3 to 5 s under emulation, more on a busy machine."""
LIFE_SECONDS = 120
"""A job ends by itself after this time, also where nobody is left to end it."""
FIRST_LAPS = 3
LAP_SECONDS = 20.0
"""For one more lap of a job that runs: several a second under emulation."""
SWEEP_SECONDS = 10
"""Ranks that were cut off hear of their job's end when the port is up again."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What a job did after a moment.

    Attributes:
        laps: When it ended a lap, in seconds after the moment.
        seconds: How long it was watched, or until it ended.
        ended: Why it ended; empty when it did not.
        pace: How many times as long as on an idle machine everything was given.
    """

    laps: tuple[float, ...]
    seconds: float
    ended: str = ""
    pace: float = 1.0


@contextmanager
def running(
    login: Shell, settings: Settings, guests: Sequence[Guest], word: str
) -> Iterator[RemoteProgram]:
    """Run the job from one guest over all; it has run some laps when the block begins.

    Every process of it has `word` among its arguments.

    Raises:
        FarswitchError: It did not run, or not on all of them.
    """
    argv = ["python3", "-c", source("mpi_laps"), str(whole(LIFE_SECONDS)), word]
    with mpi_job(login, settings, guests, argv, LIFE_SECONDS) as job:
        nodes = sorted(job.receive(Started, patient(START_SECONDS)).nodes)
        if nodes != sorted(guest.name for guest in guests):
            raise FarswitchError(f"An MPI job ran on {', '.join(nodes)}: wanted every guest once.")
        for _ in range(FIRST_LAPS):
            job.receive(LapEnded, patient(START_SECONDS))
        yield job


def await_lap(job: RemoteProgram) -> None:
    """Wait until a lap has ended from now on, so that what ends the job later is not long past.

    Raises:
        RemoteProgramError: The job has ended, or hangs.
    """
    for _ in range(job.waiting() + 1):
        job.receive(LapEnded, LAP_SECONDS)


def watch(job: RemoteProgram, seconds: float) -> Watched:
    """Note when a job ends its laps, for some seconds from now, more where machines are slow."""
    pace = factor()
    seconds *= pace
    began = time.monotonic()
    laps: list[float] = []
    while (passed := time.monotonic() - began) < seconds:
        try:
            job.receive(LapEnded, seconds - passed)
        except RemoteProgramError as error:
            passed = time.monotonic() - began
            if passed < seconds:
                return Watched(tuple(laps), passed, str(error), pace)
            break
        laps.append(time.monotonic() - began)
    return Watched(tuple(laps), time.monotonic() - began, pace=pace)


def sweep(login: Shell, word: str) -> tuple[int, bool]:
    """Wait for the end of every process with a word among its arguments, or kill it.

    Returns:
        How many are left, and whether any had to be killed.
    """
    argv = shell_command("mpi_processes", "sweep", str(whole(SWEEP_SECONDS)))
    ended = login.run(argv, stdin=f"{word}\n", timeout=SWEEP_SECONDS + 20.0)
    count, killed = ended.stdout.split()
    return int(count), killed == "yes"


def answered(text: str) -> frozenset[str]:
    """Return the addresses that echo.py printed."""
    return frozenset(map(str, json.loads(text)))

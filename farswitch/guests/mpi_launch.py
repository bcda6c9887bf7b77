"""Starting MPI jobs on the head: the launcher alone, and a ring over all guests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from farswitch.connections.shell.base import Shell
from farswitch.connections.shell.protocol import CommandTimeoutError, Completed
from farswitch.errors import FarswitchError
from farswitch.guests.files.mpi import RING
from farswitch.model.machines import Guest
from farswitch.model.settings import Settings

LAUNCH_RANKS = 4
LAUNCH_SECONDS, RING_SECONDS = 120.0, 300.0
"""Deadlines: under emulation the launcher takes 3 s and the ring 6 s, ten times as long when the
machine is busy."""
VERIFY = "Look: farswitch verify"


@dataclass(frozen=True, slots=True)
class Launch:
    """The launcher's run: the command as typed, and the hostname of each rank."""

    command: str
    names: tuple[str, ...]


class Lap(BaseModel):
    """One trip around all ranks: bytes of the message, seconds, and whether it came back intact."""

    model_config = ConfigDict(frozen=True)

    size: int = Field(alias="bytes")
    seconds: float
    intact: bool


class Ring(BaseModel):
    """What the ring prints: the node of each rank, and the laps."""

    model_config = ConfigDict(frozen=True)

    nodes: tuple[str, ...]
    laps: tuple[Lap, ...]
    intact: bool


def as_user(settings: Settings, argv: Sequence[str]) -> list[str]:
    """Return the command as the cluster's user would run it in a session of ssh."""
    home = f"/home/{settings.user}"
    return ["runuser", "-u", settings.user, "--", "env", f"--chdir={home}", f"HOME={home}", *argv]


def launch(login: Shell, settings: Settings, guests: Sequence[Guest]) -> Launch:
    """Start `hostname` four times on the guests' data addresses.

    Raises:
        FarswitchError: The launcher failed, or a guest gave no rank.
    """
    hosts = ",".join(str(guest.data_address.ip) for guest in guests)
    argv = ["mpiexec.mpich", "-np", str(LAUNCH_RANKS), "-hosts", hosts, "hostname"]
    ended = _run(login, settings, argv, LAUNCH_SECONDS)
    names = tuple(sorted(ended.stdout.split()))
    if len(names) != LAUNCH_RANKS or set(names) != {guest.name for guest in guests}:
        raise FarswitchError(
            f"'{' '.join(argv)}' on '{login.host}' printed {', '.join(names) or 'nothing'}; "
            f"wanted {LAUNCH_RANKS} ranks on {', '.join(guest.name for guest in guests)}."
        )
    return Launch(" ".join(argv), names)


def ring(login: Shell, settings: Settings, guests: Sequence[Guest], sizes: Sequence[int]) -> Ring:
    """Send messages of several sizes in bytes around one rank a guest.

    Raises:
        FarswitchError: MPI failed, a guest took no part, or a message came back changed.
    """
    hosts = ",".join(str(guest.data_address.ip) for guest in guests)
    argv = ["mpiexec.mpich", "-np", str(len(guests)), "-hosts", hosts, "python3", "-IS", RING]
    ended = _run(login, settings, [*argv, *map(str, sizes)], RING_SECONDS)
    try:
        done = Ring.model_validate_json(ended.stdout)
    except ValidationError as error:
        raise FarswitchError(
            f"The ring on '{login.host}' printed no result: {ended.stdout[:200]!r}."
        ) from error
    if sorted(done.nodes) != sorted(guest.name for guest in guests) or not done.intact:
        raise FarswitchError(
            f"The ring ran on {', '.join(done.nodes)}, messages "
            f"{'intact' if done.intact else 'changed on the way'}; wanted every guest once, intact."
        )
    return done


def around_mtu(mtu: int) -> tuple[int, ...]:
    """Return message sizes in bytes that are one packet, just fit, just do not, and are many."""
    return (1, mtu - 1, mtu, mtu + 1, 1_000_000)


def _run(login: Shell, settings: Settings, argv: Sequence[str], seconds: float) -> Completed:
    try:
        ended = login.run(as_user(settings, argv), timeout=seconds, check=False)
    except CommandTimeoutError as error:
        raise FarswitchError(
            f"'{' '.join(argv)}' on '{login.host}' did not end within {seconds:g} s: what nodes "
            "send each other gets lost, or takes too long.",
            hint=VERIFY,
        ) from error
    if ended.status != 0:
        why = (ended.stderr.strip() or ended.stdout.strip())[-1000:]
        raise FarswitchError(
            f"'{' '.join(argv)}' on '{login.host}' ended with status {ended.status}: {why}",
            hint=VERIFY,
        )
    return ended

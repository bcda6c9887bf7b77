"""Which ports does a running job use? Looked at in every guest while its ranks are connected."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address

from farswitch.connections.shell.protocol import Completed
from farswitch.errors import FarswitchError
from farswitch.model.field_types import PortRange
from farswitch.model.machines import Guest
from farswitch.model.settings import Settings
from farswitch.proof.check import Check
from farswitch.proof.context import Context
from farswitch.proof.fan_out import each
from farswitch.remote import shell_command

_OWNER = re.compile(r",pid=(\d+)")


@dataclass(frozen=True, slots=True)
class Socket:
    """One end of a connection of a job, and whether a rank or the launcher has it."""

    rank: bool
    local: tuple[str, int]
    peer: tuple[str, int]


def parse(text: str) -> list[Socket]:
    """Read the pids of a job's ranks, of what started them, and what `ss` says of all programs."""
    first, second, *lines = [*text.splitlines(), "", ""]
    ranks, starters = set(first.split()), set(second.split())
    found = []
    for line in lines:
        words = line.split(None, 4)
        if len(words) < 5:  # noqa: PLR2004 - queues, both ends, owners
            continue
        owners = set(_OWNER.findall(words[4]))
        if owners & (ranks | starters):
            found.append(Socket(bool(owners & ranks), _end(words[2]), _end(words[3])))
    return found


def _end(text: str) -> tuple[str, int]:
    address, _, port = text.rpartition(":")
    return address.strip("[]").removeprefix("::ffff:"), int(port)


def wrong(settings: Settings, socket: Socket) -> str:
    """Return what is wrong with a connection: another network, or no port of its range."""
    ends = (socket.local, socket.peer)
    if all(ip_address(address).is_loopback for address, _ in ends):
        return ""
    shown = f"{socket.local[0]}:{socket.local[1]}-{socket.peer[0]}:{socket.peer[1]}"
    for address, _ in ends:
        ip = ip_address(address)
        if not isinstance(ip, IPv4Address) or ip not in settings.data_network:
            return f"{shown} is not on the data network"
    ranges = [settings.mpi.launcher_ports, *([settings.mpi.payload_ports] if socket.rank else [])]
    if not any(_within(port, one) for _, port in ends for one in ranges):
        return f"{shown} uses no port of {' or '.join(map(_shown, ranges))}"
    return ""


def _within(port: int, ports: PortRange) -> bool:
    return ports.first <= port <= ports.last


def _shown(ports: PortRange) -> str:
    return f"{ports.first}-{ports.last}"


def judge(guest: Guest, sockets: Sequence[Socket], fix: str) -> Check:
    """Return the verdict on the connections that a guest's part of the job has."""
    settings = guest.settings
    bad = [fault for one in sockets if (fault := wrong(settings, one))]
    payload = [one for one in sockets if one.rank and _payload(settings, one)]
    summary = f"{len(payload)} payload, {len(sockets) - len(payload)} other connections"
    return Check(
        name="mpi.ports",
        host=guest.name,
        ok=bool(payload) and not bad,
        measured="; ".join(bad) or summary,
        expected=f"payload on {_shown(settings.mpi.payload_ports)}, launcher on "
        f"{_shown(settings.mpi.launcher_ports)}, both on {settings.data_network}",
        cause="The session that started the job lacks the pins of MPI, or sets others.",
        fix=fix,
    )


def _payload(settings: Settings, socket: Socket) -> bool:
    return any(_within(port, settings.mpi.payload_ports) for _, port in (socket.local, socket.peer))


def look(context: Context, guests: Sequence[Guest], word: str) -> Iterator[Check]:
    """Yield the verdict on each guest; one that cannot be looked into has failed.

    `word` is an argument of the job, and of no other.
    """
    argv = shell_command("mpi_processes", "sockets")
    found = each(
        [one.name for one in guests],
        lambda name: context.shell(name).run(argv, stdin=f"{word}\n", check=False),
    )
    for guest in guests:
        outcome = found[guest.name]
        if isinstance(outcome, Completed) and outcome.status == 0:
            yield judge(guest, parse(outcome.stdout), context.rebuild)
        else:
            why = (
                outcome
                if isinstance(outcome, FarswitchError)
                else outcome.stderr or "no rank runs there"
            )
            yield Check("mpi.ports", guest.name, ok=False, measured=f"not probed: {why}",
                        expected="the job's connections", fix=context.rebuild)  # fmt: skip

"""A server that sends and catches test packets: what `remote/packets.py` is asked and replies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pydantic import BaseModel

from farswitch.connections.shell.base import Shell
from farswitch.errors import FarswitchError
from farswitch.pace import whole
from farswitch.remote import command
from farswitch.remote_program import RemoteProgram

BEHIND = "behind "
"""What an arrival's interface starts with where the device's own hooks let it through."""


class PacketToSend(NamedTuple):
    """What is to be sent; `size` in bytes of IP packet, `mark` says by whom.

    `to` and `source` are addresses for `udp` and `icmp`; interface and MAC for a `frame`.
    """

    kind: str
    mark: int
    size: int
    to: str
    port: int
    source: str


class Arrival(NamedTuple):
    """What arrived: at an interface before any firewall saw it, or behind that device's hooks."""

    interface: str
    kind: str
    mark: int
    size: int


class Listen(BaseModel):
    """Listen on interfaces from now on, each with the token's offset in a packet.

    The interface "" is all of them. With `behind` it is read where the device's hooks are through
    with it: see `BEHIND`.
    """

    offsets: Mapping[str, int]
    behind: bool = False


class Refused(BaseModel):
    """The interfaces that cannot be listened on, and why."""

    refused: Mapping[str, str]


class Send(BaseModel):
    """Send these packets."""

    packets: Sequence[PacketToSend]


class SendErrors(BaseModel):
    """For each packet why it could not be sent, or None."""

    errors: Sequence[str | None]


class Collect(BaseModel):
    """Report what arrived since the last time; wait for `count`, at most `seconds`."""

    count: int
    seconds: float


class Arrivals(BaseModel):
    """What arrived."""

    arrivals: frozenset[Arrival]


def packet_agent(login: Shell, token: bytes, seconds: int) -> RemoteProgram:
    """Return the program for one server.

    It ends by itself after `seconds`, or more where machines are slow: each reply comes within
    them, or never. The token marks our packets.
    """
    seconds = whole(seconds)
    return RemoteProgram(
        login,
        command("packets", str(seconds), token.hex()),
        name="packet agent",
        seconds=seconds + 2,
        hint="The server needs python3, and packet sockets for root.",
    )


def listen(
    agent: RemoteProgram, name: str, offsets: Mapping[str, int], *, behind: bool = False
) -> None:
    """Let the agent of a server listen on interfaces, each with the token's offset in a packet.

    Raises:
        FarswitchError: One of them cannot be listened on.
    """
    refused = agent.ask(Listen(offsets=offsets, behind=behind), Refused).refused
    if refused:
        why = ", ".join(f"'{interface}': {reason}" for interface, reason in refused.items())
        raise FarswitchError(
            f"'{name}' cannot catch packets on {why}.",
            hint="The server needs packet sockets for root (CAP_NET_RAW, AF_PACKET).",
        )

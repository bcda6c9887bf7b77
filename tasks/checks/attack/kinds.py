"""The words of the attacks: what a frame is, who sends it to whom, and where it is counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from farswitch.model.cluster import Cluster
from farswitch.model.machines import Address, Guest
from farswitch.proof.frames import payload

ROUNDS = 100
"""Frames of each attack."""
EXTRA = 10
"""Further frames of what is legitimate, when the attacks are over."""


class Kind(IntEnum):
    """What a frame is; the number travels in it.

    `LEGITIMATE` goes from guest to guest over the switch, `UPWARD` from a guest to its hypervisor
    over management, which answers. Both are allowed, and show that the listeners hear.
    """

    LEGITIMATE = 1
    UPWARD = 2
    PING = 3
    ARP = 4
    ROUTE = 5
    IPV6 = 6
    SPOOF_MAC = 7
    SPOOF_ADDRESS = 8
    VNI_DIRECT = 9
    VNI_NAT = 10
    THIRD_HOST = 11
    BEYOND = 12

    @property
    def check(self) -> str:
        """The name of the check that judges it."""
        return f"attack.{self.name.lower()}"


class Place(NamedTuple):
    """An interface of a host: frames are counted as they come in there."""

    host: str
    interface: str

    def __str__(self) -> str:
        return f"{self.interface} of {self.host}"


class Label(NamedTuple):
    """Kind and sender as they stand in a frame.

    A guest's number is its index. The third host's is the place of the server that it attacks.
    """

    kind: Kind
    sender: int


@dataclass(frozen=True, slots=True)
class FrameStream:
    """Frames that a sender sends in turn, `count` in all."""

    label: Label
    interface: str
    frames: tuple[bytes, ...]
    count: int = ROUNDS


@dataclass(frozen=True, slots=True)
class ServerAddresses:
    """What is known of the servers, by their names.

    Attributes:
        cluster: Whose servers.
        devices: The interface on the underlay.
        macs: Its MAC; empty where it has none, as WireGuard's.
        gateways: The MAC of the management bridge; hypervisors only.
    """

    cluster: Cluster
    devices: Mapping[str, str]
    macs: Mapping[str, str]
    gateways: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AttackPair:
    """One guest that attacks another."""

    attacker: Guest
    victim: Guest


@dataclass(frozen=True, slots=True)
class Scope:
    """What the frames of one attacker are made from: MACs and addresses of management."""

    servers: ServerAddresses
    opponents: AttackPair
    token: bytes

    @property
    def own(self) -> str:
        return self.opponents.attacker.management_mac

    @property
    def other(self) -> str:
        return self.opponents.victim.management_mac

    @property
    def gateway(self) -> str:
        return self.servers.gateways[self.opponents.attacker.hypervisor]

    def body(self, kind: Kind) -> bytes:
        """Return what the attacker's frames of a kind carry: who hears it knows whose it is."""
        return payload(self.token, kind, self.opponents.attacker.index)


@dataclass(frozen=True, slots=True)
class Outside:
    """The third host: its interface on the underlay, and an address that nobody has there."""

    interface: str
    mac: str
    address: Address


def attack_pairs(guests: Sequence[Guest]) -> tuple[AttackPair, ...]:
    """Let each guest attack the next one of its hypervisor, or of all where it is alone there."""
    found = []
    for guest in guests:
        near = [one for one in guests if one.hypervisor == guest.hypervisor]
        ring = near if len(near) > 1 else list(guests)
        found.append(AttackPair(guest, ring[(ring.index(guest) + 1) % len(ring)]))
    return tuple(found)

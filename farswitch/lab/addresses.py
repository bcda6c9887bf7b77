"""What a lab consists of: its members, subnets and paths, all following from its settings."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path

from farswitch.errors import ConfigError
from farswitch.model.machines import interface

CONTROL_SUBNET = IPv4Network("198.51.100.0/24")
"""Between the controller and the servers (TEST-NET-2, RFC 5737: routed nowhere)."""
UNDERLAY_SUBNET = IPv4Network("203.0.113.0/24")
"""Between the servers (TEST-NET-3, RFC 5737)."""
DEFAULT_NAME = "farswitch-lab"
CONTROL_NIC, UNDERLAY_NIC = "eth0", "eth1"
MTU = 1500
"""Bytes of IP packet on every link of the lab, as Ethernet has it."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,14}")


@dataclass(frozen=True, slots=True)
class Member:
    """One container: `number` is the last part of its addresses."""

    name: str
    number: int
    hypervisor: bool = False


MEMBERS = (Member("server1", 11, hypervisor=True), Member("server2", 12))


@dataclass(frozen=True, slots=True)
class Lab:
    """One lab; two of them stand side by side when name and control subnet differ.

    Args:
        name: Names its folders and the controller's interface, hence at most 15 characters
            (IFNAMSIZ).
        control: The subnet between the controller, which has the first address, and the members.
        underlay: The subnet between the members.
        members: The containers.
    """

    name: str = DEFAULT_NAME
    control: IPv4Network = CONTROL_SUBNET
    underlay: IPv4Network = UNDERLAY_SUBNET
    members: tuple[Member, ...] = field(default=MEMBERS)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigError(
                f"Lab name '{self.name}' cannot be used: wanted are at most 15 lower-case letters,"
                " digits and hyphens, a letter first."
            )
        if self.control.overlaps(self.underlay):
            raise ConfigError(
                f"The lab's control subnet {self.control} and its underlay subnet {self.underlay}"
                " overlap: choose two that do not."
            )
        highest = max(member.number for member in self.members)
        for subnet in (self.control, self.underlay):
            if subnet.num_addresses < highest + 2:
                raise ConfigError(
                    f"Subnet {subnet} has no address .{highest} for the lab: choose a larger one,"
                    " for instance a /24."
                )

    @property
    def state(self) -> Path:
        """The folder with the keys and what the members wrote to their disks."""
        return Path("/var/lib", self.name)

    @property
    def run(self) -> Path:
        """The folder that a reboot of the machine empties."""
        return Path("/run", self.name)

    @property
    def bridges(self) -> Path:
        """The network namespace with the lab's two bridges, kept by a mount on this file."""
        return self.run / "wire"

    @property
    def key(self) -> Path:
        """The private key that logs in to every member as root."""
        return self.state / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        return self.state / "known_hosts"

    @property
    def link(self) -> str:
        """The controller's interface."""
        return self.name

    @property
    def controller(self) -> IPv4Interface:
        return interface(self.control, 1)

    def storage(self, member: Member) -> Path:
        """Return the folder of a member's disk: the overlay's upper and work folder."""
        return self.state / member.name

    def log(self, member: Member) -> Path:
        """Return the file with what a member's boot and services wrote."""
        return self.state / f"{member.name}.log"

    def address(self, member: Member) -> IPv4Interface:
        """Return a member's address on the control subnet."""
        return interface(self.control, member.number)

    def underlay_address(self, member: Member) -> IPv4Interface:
        """Return a member's address on the underlay."""
        return interface(self.underlay, member.number)

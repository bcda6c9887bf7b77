"""The network interfaces that a server should have, as values: bridges, tunnels, veths, ports."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Interface, ip_address
from typing import ClassVar

from farswitch.model.machines import Address

UDP_PORT = 4789
"""VXLAN's own (RFC 7348, section 5)."""


@dataclass(frozen=True, slots=True)
class VxlanAttrs:
    """What a tunnel cannot change while it lives.

    Attributes:
        vni, local, remote, port: As of a `Tunnel`.
        device: The underlay's.
        learning: Whether it learns far ends.
        own_socket: It has options with which the kernel shares its UDP port with no tunnel that has
            not: `external`, `gbp`, `gpe`, `udp6zerocsumrx`, `remcsumrx`, `vnifilter`.
    """

    vni: int
    local: Address | None
    remote: Address | None
    port: int
    device: str | None
    learning: bool = False
    own_socket: bool = False


@dataclass(frozen=True, slots=True)
class Bridge:
    """A wanted bridge: STP off, no forward delay, no IPv6 address by itself.

    Attributes:
        name: At most 15 characters (IFNAMSIZ).
        mtu: In bytes of IP packet.
        arp: Whether the server answers ARP on it; a switch of guests is mute.
        address: The server's own on it.
        alias: The mark that people read, after `Owner.mark` and a colon; follows from the owner
            where not given.
        altname: A longer name, unique on the server; follows from the owner where not given.
        group: The link group; the owner's where it is 0.
    """

    kind: ClassVar[str] = "bridge"
    name: str
    mtu: int = 1500
    arp: bool = False
    address: IPv4Interface | None = None
    alias: str = ""
    altname: str = ""
    group: int = 0


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A wanted vxlan interface: one end of a tunnel.

    Attributes:
        name: At most 15 characters (IFNAMSIZ).
        vni: From 1 to 2^24 - 1, unique on the server and UDP port.
        local: The server's own address on the underlay.
        remote: That of the other end.
        master: The bridge that it is a port of, which must be there. None: a switch that is no
            bridge takes it, and may set a master of its own.
        mtu: In bytes of IP packet, at most the underlay's less 50 over IPv4, 70 over IPv6.
        port: UDP port.
        device: The underlay's; the one that has the address `local` where not given.
        arp: Whether the server answers ARP on it, where it has no master.
        alias, altname, group: As of a `Bridge`.
    """

    kind: ClassVar[str] = "vxlan"
    name: str
    vni: int
    local: Address | str
    remote: Address | str
    master: str | None
    mtu: int = 1450
    port: int = UDP_PORT
    device: str | None = None
    arp: bool = True
    alias: str = ""
    altname: str = ""
    group: int = 0

    @property
    def vxlan(self) -> VxlanAttrs:
        """What the kernel should show of it."""
        local, remote = ip_address(self.local), ip_address(self.remote)
        return VxlanAttrs(self.vni, local, remote, self.port, self.device)


@dataclass(frozen=True, slots=True)
class VethEnd:
    """A wanted end of a veth pair; the other end is wanted, too.

    Attributes:
        name: At most 15 characters (IFNAMSIZ).
        peer: The other end's name.
        master: The bridge that it is a port of, which must be there. The pair is made with the end
            that has one; the other end is a switch's, and the server is mute there.
        away: The other end may be in another network namespace, where the switch has it.
        mtu: In bytes of IP packet.
        alias, altname, group: As of a `Bridge`.
    """

    kind: ClassVar[str] = "veth"
    name: str
    peer: str
    master: str | None = None
    mtu: int = 1450
    away: bool = False
    alias: str = ""
    altname: str = ""
    group: int = 0


@dataclass(frozen=True, slots=True)
class BridgePort:
    """An interface that is a port of a bridge; a `tap` comes and goes with its guest."""

    name: str
    bridge: str
    guest: str = ""
    tap: bool = False
    isolated: bool = False


@dataclass(frozen=True, slots=True)
class MtuHop:
    """An interface on the way of a frame; a tap, which comes and goes, counts in its `bridge`."""

    name: str
    bridge: str | None = None

"""What the guard of one server has to hold apart: pure values, which guard_*.nft.j2 makes rules.

Two things decide the rules' form. Several clusters guard one server, and a drop in one table is
final: so a tunnel is named by its VNI, not by its UDP port alone. And with
`bridge-nf-call-iptables` on, bridged frames pass `forward` with their bridge as both devices: so
what stays in one bridge is let through before anything that names a bridge is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from itertools import takewhile

from farswitch.links.underlay import peers
from farswitch.links.wanted import switch_bridges
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Address, Server
from farswitch.model.owner import Owner
from farswitch.templates import render_template


@dataclass(frozen=True, slots=True)
class GuardedNic:
    """The tap of a guest's NIC, and the only addresses that may come in from it."""

    tap: str
    mac: str
    address: IPv4Address


@dataclass(frozen=True, slots=True)
class GuardManagement:
    """The management network of a hypervisor's guests.

    Attributes:
        forwarding: Guests may reach all but each other; else their hypervisor only.
        nics: The guests' NICs on it.
    """

    bridge: str
    forwarding: bool
    nics: tuple[GuardedNic, ...]


@dataclass(frozen=True, slots=True)
class GuardWanted:
    """What the guard of a server is about.

    Attributes:
        device: The server's interface on the underlay.
        udp_port: Of the cluster's tunnels.
        vnis: Of all the cluster's tunnels.
        peers: The underlay addresses from which tunnels come to this server.
        servers: The underlay addresses of all servers.
        bridges: Carry the data network on this server.
        ends: Carry it too, each by itself to a switch that gets a copy of its frames.
        ports: Carry it too; the server itself sends nothing out there.
        management: None on the switch.
        data_nics: The NICs whose senders are pinned on the data network too.
    """

    device: str
    udp_port: int
    vnis: tuple[int, ...]
    peers: tuple[Address, ...]
    servers: tuple[Address, ...] = ()
    bridges: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    management: GuardManagement | None = None
    data_nics: tuple[GuardedNic, ...] = ()

    @property
    def data_start(self) -> str:
        """What the names of all that carries the data network start with."""
        return _common_start((*self.bridges, *self.ports))

    @property
    def tap_starts(self) -> tuple[str, ...]:
        """What the names of the management taps start with, and those of guarded data taps."""
        nics = (self.management.nics if self.management else (), self.data_nics)
        return tuple(_common_start([nic.tap for nic in some]) for some in nics if some)

    @property
    def peers_by_family(self) -> dict[str, list[str]]:
        return _by_family(self.peers)

    @property
    def servers_by_family(self) -> dict[str, list[str]]:
        return _by_family(self.servers)


def wanted_guard(cluster: Cluster, server: Server, device: str) -> GuardWanted:
    """Return what the guard of a server is about; the device is its interface on the underlay."""
    settings = cluster.settings
    vnis, peers = tuple(guest.vni for guest in cluster.guests), tunnel_peers(cluster, server)
    if server.role == "switch":
        ports = [cluster.port_links(guest) for guest in cluster.guests]
        socket = settings.switch.traits.holds == "socket"
        return GuardWanted(
            device=device,
            udp_port=settings.udp_port,
            vnis=vnis,
            peers=peers,
            bridges=tuple(switch_bridges(cluster)),
            ends=tuple(map(cluster.port_device, cluster.guests)) if socket else (),
            ports=tuple(name for links in ports for name in links),
        )
    guests = cluster.guests_of(server.name)
    nics = tuple(
        GuardedNic(guest.management_tap, guest.management_mac, guest.management_address.ip)
        for guest in guests
    )
    return GuardWanted(
        device=device,
        udp_port=settings.udp_port,
        vnis=vnis,
        peers=peers,
        servers=tuple(one.underlay for one in cluster.servers),
        bridges=tuple(guest.bridge for guest in guests),
        ports=tuple(port for guest in guests for port in (guest.tunnel, guest.data_tap)),
        management=GuardManagement(cluster.management_bridge, settings.management_forwarding, nics),
        data_nics=tuple(
            GuardedNic(guest.data_tap, guest.data_mac, guest.data_address.ip) for guest in guests
        )
        if settings.anti_spoof
        else (),
    )


def guard_of_both(one: GuardWanted, other: GuardWanted) -> GuardWanted:
    """Return the guard of a server that has the interfaces of two switches."""

    def both(name: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*getattr(one, name), *getattr(other, name))))

    return replace(one, bridges=both("bridges"), ends=both("ends"), ports=both("ports"))


def tunnel_peers(cluster: Cluster, server: Server) -> tuple[Address, ...]:
    """Return the underlay addresses that a server's tunnels lead to."""
    return tuple(sorted({peer.underlay for peer in peers(cluster, server)}, key=str))


def guard_tables(want: GuardWanted, owner: Owner) -> dict[str, str]:
    """Return the guard's tables by family; each text replaces its table in one transaction."""
    families = ["inet"]
    if want.management and want.management.nics:
        families.append("bridge")
    return {
        family: render_template(f"firewall/guard_{family}.nft.j2", want=want, owner=owner)
        for family in families
    }


def guard_removal(family: str, name: str) -> str:
    """Return what removes a table whether or not it is there."""
    return f"table {family} {name}\ndelete table {family} {name}\n"


def _by_family(addresses: tuple[Address, ...]) -> dict[str, list[str]]:
    """Return addresses by what nft calls their family, each once."""
    families = {4: "ip", 6: "ip6"}
    found: dict[str, list[str]] = {}
    for address in sorted(set(addresses), key=lambda one: (one.version, str(one))):
        found.setdefault(families[address.version], []).append(str(address))
    return found


def _common_start(names: Sequence[str]) -> str:
    """Return what all names start with; no name starts otherwise than both ends of their order."""
    pairs = zip(min(names, default=""), max(names, default=""), strict=False)
    return "".join(one for one, other in takewhile(lambda pair: pair[0] == pair[1], pairs))

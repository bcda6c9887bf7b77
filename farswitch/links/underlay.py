"""What is true of the underlay on a server: device, source address, MTU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

from farswitch.connections.netlink.links import Link
from farswitch.connections.netlink.routes import Route
from farswitch.errors import FarswitchError
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Address, Server

OVERHEAD_V4 = 14 + 20 + 8 + 8
"""Bytes around a guest's packet: inner Ethernet, IPv4, UDP, VXLAN (RFC 7348)."""
OVERHEAD_V6 = 14 + 40 + 8 + 8
"""The same with an IPv6 header."""


@dataclass(frozen=True, slots=True)
class Underlay:
    """One server's side of the underlay; `mtu` and `overhead` in bytes of IP packet."""

    server: str
    device: str
    source: Address
    mtu: int
    overhead: int


def peers(cluster: Cluster, server: Server) -> tuple[Server, ...]:
    """Return the servers that a server has tunnels to."""
    return cluster.hypervisors if server.role == "switch" else (cluster.switch,)


def ends(cluster: Cluster) -> list[tuple[Server, Server]]:
    """Return every ordered pair of servers that tunnels go between."""
    switch = cluster.switch
    return [pair for server in cluster.hypervisors for pair in ((server, switch), (switch, server))]


def judge(
    server: Server, links: Sequence[Link], routes: Sequence[tuple[Server, Route | None]]
) -> Underlay:
    """Conclude what the underlay is from a server's interfaces and its routes to its peers.

    Its MTU is the smallest of the device's and the routes'.

    Raises:
        FarswitchError: The address of the site is not on the server, a peer cannot be reached, or
            is reached from another address or device.
    """
    _check_device(server, links)
    names = {link.index: link.name for link in links}
    usable = [_usable(server, peer, route) for peer, route in routes]
    devices = sorted({names[route.device] for route in usable})
    if len(devices) != 1:
        raise FarswitchError(
            f"'{server.name}' reaches its peers over several devices: {', '.join(devices)}.",
            hint="Route all peers over the device that has the underlay address.",
        )
    mtu = next(link.mtu for link in links if link.name == devices[0])
    return Underlay(
        server=server.name,
        device=devices[0],
        source=server.underlay,
        mtu=min([mtu, *(route.mtu for route in usable if route.mtu)]),
        overhead=OVERHEAD_V4 if isinstance(server.underlay, IPv4Address) else OVERHEAD_V6,
    )


def _check_device(server: Server, links: Sequence[Link]) -> None:
    """Refuse an address that is nowhere, and a device that carries nothing."""
    devices = [
        link for link in links if server.underlay in {address.ip for address in link.addresses}
    ]
    if not devices:
        raise FarswitchError(
            f"The underlay address {server.underlay} is on no interface of '{server.name}'.",
            hint="Add it there, or correct 'underlay' of this server in the site.",
        )
    if not any(link.up for link in devices):
        raise FarswitchError(
            f"The underlay's device '{devices[0].name}' of '{server.name}' is down.",
            hint=f"Bring it up there: ip link set {devices[0].name} up",
        )
    if not any(link.running for link in devices):
        raise FarswitchError(
            f"The underlay's device '{devices[0].name}' of '{server.name}' has no carrier.",
            hint="Look at its cable, and at the port at the other end.",
        )


def _usable(server: Server, peer: Server, route: Route | None) -> Route:
    """Return the route, or refuse one that no tunnel can take."""
    where = f"underlay address {peer.underlay} of '{peer.name}'"
    if route is None:
        raise FarswitchError(
            f"'{server.name}' has no route to the {where}.",
            hint="Bring the underlay's device up, or add the route.",
        )
    if route.local:
        raise FarswitchError(
            f"The {where} is an address of '{server.name}' itself.",
            hint="Two servers of a site need two machines, or the lab.",
        )
    if route.source != server.underlay:
        raise FarswitchError(
            f"'{server.name}' sends to the {where} from {route.source}, not {server.underlay}.",
            hint="Correct 'underlay' of this server in the site, or the route's source address.",
        )
    return route

"""What is true of the underlay on a server: device, source address, MTU."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
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


_TAKEN_IN = frozenset({"bridge", "bond", "team"})
"""Kinds whose ports carry what passes them."""


@dataclass(frozen=True, slots=True)
class LowerDevice:
    """A device that the underlay's stands on; `bridge` is the one that it is a port of, if any."""

    name: str
    bridge: str = ""


@dataclass(frozen=True, slots=True)
class Underlay:
    """One server's side of the underlay; `mtu` and `overhead` in bytes of IP packet.

    `below` is what carries its device: ports of a bridge or bond, the device of a VLAN.
    """

    server: str
    device: str
    source: Address
    mtu: int
    overhead: int
    below: tuple[LowerDevice, ...] = ()


def peers(cluster: Cluster, server: Server) -> tuple[Server, ...]:
    """Return the servers that a server has tunnels to."""
    return cluster.hypervisors if server.role == "switch" else (cluster.switch,)


def ends(cluster: Cluster) -> list[tuple[Server, Server]]:
    """Return every ordered pair of servers that tunnels go between."""
    switch = cluster.switch
    return [pair for server in cluster.hypervisors for pair in ((server, switch), (switch, server))]


def lower_devices(device: str, links: Sequence[Link]) -> tuple[LowerDevice, ...]:
    """Return what carries a device, all the way down.

    Of a bridge its uplink: taps, and veths into another network namespace, are guests' and
    containers', unless the bridge has nothing else. That of a server which is a container itself
    has such a veth, beside taps.
    """
    there = {link.name: link for link in links}
    upper = there.get(device)
    if upper is None:
        return ()
    bridge = device if upper.kind == "bridge" else ""
    ports = [link for link in links if link.master == device and upper.kind in _TAKEN_IN]
    wires = [link for link in ports if link.kind != "tun"]
    uplinks = [link for link in wires if not (link.kind == "veth" and link.far)]
    below = [LowerDevice(link.name, bridge) for link in uplinks or wires or ports]
    if upper.lower and upper.lower != device:
        below.append(LowerDevice(upper.lower))
    deeper = (more for lower in below for more in lower_devices(lower.name, links))
    return tuple(dict.fromkeys((*below, *deeper)))


def judge(
    server: Server, links: Sequence[Link], routes: Sequence[tuple[Server, Route | None]]
) -> Underlay:
    """Conclude what the underlay is from a server's interfaces and its routes to its peers.

    Its MTU is the smallest of the device's and the routes'.

    Raises:
        FarswitchError: The address of the site is not on the server, or on an interface that is
            down or another's port; a peer cannot be reached, or by another address or device.
    """
    _check_device(server, links)
    names = {link.index: link.name for link in links}
    own = {link.index for link in with_address(server, links)}
    if own <= {link.index for link in links if link.name == "lo" or link.kind == "dummy"}:
        own = set(names)  # an address that every device may send from
    usable = [_usable(server, peer, route, own, names) for peer, route in routes]
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
        below=lower_devices(devices[0], links),
    )


def _check_device(server: Server, links: Sequence[Link]) -> None:
    """Refuse an address that is nowhere, and a device that carries nothing."""
    devices = with_address(server, links)
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

    masters = [link.master for link in devices if link.master]
    if len(masters) == len(devices):
        kinds = {link.name: link.kind for link in links}
        raise _is_port(server, devices[0].name, masters[0], kinds.get(masters[0], ""))


def _is_port(server: Server, device: str, master: str, kind: str) -> FarswitchError:
    """Return the error of an address whose device gives its packets to another one."""
    where = f"The underlay address {server.underlay} of '{server.name}' is on '{device}'"
    if kind == "vrf":
        return FarswitchError(
            f"{where}, which is in VRF '{master}': packets to it are seen there alone.",
            hint="Use an address outside of all VRFs for 'underlay' of this server in the site, or "
            f"take the device out there: ip link set {device} nomaster",
        )
    return FarswitchError(
        f"{where}, which is a port of '{master}': what arrives is that one's.",
        hint=f"Move the address there: ip address del {server.underlay} dev {device}, and "
        f"ip address add it, with its prefix, to '{master}'.",
    )


def with_address(server: Server, links: Sequence[Link]) -> list[Link]:
    """Return the interfaces that have the server's underlay address."""
    return [link for link in links if server.underlay in {one.ip for one in link.addresses}]


def _usable(
    server: Server,
    peer: Server,
    route: Route | None,
    own: Collection[int],
    names: Mapping[int, str],
) -> Route:
    """Return the route, or refuse one that no tunnel can take.

    `own` are the interfaces whose address the underlay's is. Where another one leads to the peer,
    it has to be what the server sends from by itself.
    """
    where = f"underlay address {peer.underlay} of '{peer.name}'"
    if route is None:
        raise FarswitchError(
            f"'{server.name}' has no route to the {where} from {server.underlay}.",
            hint="Bring the underlay's device up, or add the route; look: "
            f"ip route get {peer.underlay} from {server.underlay}, and ip rule",
        )
    if route.local:
        raise FarswitchError(
            f"The {where} is an address of '{server.name}' itself.",
            hint="Two servers of a site need two machines, or the lab.",
        )
    if route.device not in own and route.source != server.underlay:
        raise FarswitchError(
            f"'{server.name}' sends to the {where} from {route.source}, not {server.underlay}, "
            f"and by '{names.get(route.device, route.device)}', which has not got that address.",
            hint="Correct 'underlay' of this server in the site, or the route there; look: "
            f"ip route get {peer.underlay} from {server.underlay}",
        )
    return route

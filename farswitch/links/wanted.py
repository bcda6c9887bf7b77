"""The bridges, tunnels and ports of a cluster that a server should have."""

from __future__ import annotations

from dataclasses import dataclass

from farswitch.connections.netlink.links import (
    Bridge,
    Tunnel,
    VxlanAttrs,
)
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest, Server

MANAGEMENT_MTU = 1500
"""Ethernet's own (IEEE 802.3): management traffic never crosses a tunnel."""


def wanted_bridges(cluster: Cluster, server: Server, *, mtu: int) -> tuple[Bridge, ...]:
    """List the bridges that the cluster has on a server.

    Args:
        cluster: The cluster.
        server: One of its servers.
        mtu: MTU of the data network, in bytes of IP packet.

    Returns:
        The switch's bridge; or a hypervisor's management bridge and the bridges of its guests.
    """
    if server.role == "switch":
        return (_bridge(cluster, cluster.switch_bridge, "switch", mtu=mtu),)
    management = Bridge(
        name=cluster.management_bridge,
        group=cluster.owner.link_group,
        alias=f"{cluster.owner.mark}:management",
        altname=f"farswitch-{cluster.name}-management",
        mtu=MANAGEMENT_MTU,
        arp=True,
        address=cluster.management_gateway,
    )
    guests = cluster.guests_of(server.name)
    return (management, *(_bridge(cluster, one.bridge, one.name, mtu=mtu) for one in guests))


def _bridge(cluster: Cluster, name: str, what: str, *, mtu: int) -> Bridge:
    return Bridge(
        name=name,
        group=cluster.owner.link_group,
        alias=f"{cluster.owner.mark}:{what}",
        altname=f"farswitch-{cluster.name}-{what}-bridge",
        mtu=mtu,
    )


UNPLUGGED = "unplugged"
"""The key of the guests without one of their taps in a hypervisor's Nornir data."""


@dataclass(frozen=True, slots=True)
class PortWanted:
    """An interface that is a port of a bridge; a `tap` comes and goes with its guest."""

    name: str
    bridge: str
    guest: str
    tap: bool = False
    isolated: bool = False


def wanted_ports(cluster: Cluster, server: Server) -> tuple[PortWanted, ...]:
    """List the ports that the cluster's bridges have on a server."""
    if server.role == "switch":
        return tuple(
            PortWanted(guest.tunnel, cluster.switch_bridge, guest.name) for guest in cluster.guests
        )
    return tuple(
        port
        for guest in cluster.guests_of(server.name)
        for port in (
            PortWanted(guest.tunnel, guest.bridge, guest.name),
            PortWanted(guest.data_tap, guest.bridge, guest.name, tap=True),
            PortWanted(
                guest.management_tap,
                cluster.management_bridge,
                guest.name,
                tap=True,
                isolated=True,
            ),
        )
    )


def wanted_tunnels(
    cluster: Cluster, server: Server, *, device: str, mtu: int
) -> tuple[Tunnel, ...]:
    """List the ends of tunnels that the cluster has on a server.

    Args:
        cluster: The cluster.
        server: One of its servers.
        device: The underlay's device there.
        mtu: MTU of the data network, in bytes of IP packet.

    Returns:
        One of each guest on the switch, one of each of its own guests on a hypervisor.
    """
    on_switch = server.role == "switch"
    guests = cluster.guests if on_switch else cluster.guests_of(server.name)
    return tuple(_tunnel(cluster, server, guest, device=device, mtu=mtu) for guest in guests)


def _tunnel(cluster: Cluster, server: Server, guest: Guest, *, device: str, mtu: int) -> Tunnel:
    on_switch = server.role == "switch"
    far = cluster.server(guest.hypervisor) if on_switch else cluster.switch
    return Tunnel(
        name=guest.tunnel,
        group=cluster.owner.link_group,
        alias=f"{cluster.owner.mark}:{guest.name}",
        altname=f"farswitch-{cluster.name}-{guest.name}-tunnel",
        mtu=mtu,
        master=cluster.switch_bridge if on_switch else guest.bridge,
        vxlan=VxlanAttrs(
            vni=guest.vni,
            local=server.underlay,
            remote=far.underlay,
            port=cluster.settings.udp_port,
            device=device,
        ),
    )

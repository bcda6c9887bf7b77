"""The bridges, tunnels and ports of a cluster that a server should have."""

from __future__ import annotations

from farswitch.links.forwarding import Forwarding
from farswitch.model.cluster import Cluster
from farswitch.model.links import Bridge, BridgePort, MtuHop, Tunnel
from farswitch.model.machines import Guest, Server

MANAGEMENT_MTU = 1500
"""Ethernet's own (IEEE 802.3): management traffic never crosses a tunnel."""


def wanted_bridges(cluster: Cluster, server: Server, *, mtu: int) -> tuple[Bridge, ...]:
    """List the bridges that the cluster has on a server; the MTU is in bytes of IP packet.

    On the switch that is one; on a hypervisor a management bridge and the bridges of its guests.
    """
    if server.role == "switch":
        return (_bridge(cluster, cluster.switch_bridge, "switch", mtu=mtu),)
    management = Bridge(
        name=cluster.management_bridge,
        alias=f"{cluster.owner.mark}:management",
        altname=f"farswitch-{cluster.name}-management",
        mtu=MANAGEMENT_MTU,
        arp=True,
        address=cluster.management_gateway,
    )
    guests = cluster.guests_of(server.name)
    own = (_bridge(cluster, guest.bridge, guest.name, mtu=mtu) for guest in guests)
    return (management, *own)


def _bridge(cluster: Cluster, name: str, what: str, *, mtu: int) -> Bridge:
    return Bridge(
        name=name,
        alias=f"{cluster.owner.mark}:{what}",
        altname=f"farswitch-{cluster.name}-{what}-bridge",
        mtu=mtu,
    )


def wanted_ports(cluster: Cluster, server: Server) -> tuple[BridgePort, ...]:
    """List the ports that the cluster's bridges have on a server."""
    if server.role == "switch":
        return tuple(
            BridgePort(guest.tunnel, cluster.switch_bridge, guest.name) for guest in cluster.guests
        )
    return tuple(
        port
        for guest in cluster.guests_of(server.name)
        for port in (
            BridgePort(guest.tunnel, guest.bridge, guest.name),
            BridgePort(guest.data_tap, guest.bridge, guest.name, tap=True),
            BridgePort(
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
    """List the ends of tunnels that the cluster has on a server; the MTU is in bytes of IP packet.

    One of each guest on the switch, one of each of its own guests on a hypervisor. The device is
    the underlay's there.
    """
    on_switch = server.role == "switch"
    guests = cluster.guests if on_switch else cluster.guests_of(server.name)
    return tuple(_tunnel(cluster, server, guest, device=device, mtu=mtu) for guest in guests)


def _tunnel(cluster: Cluster, server: Server, guest: Guest, *, device: str, mtu: int) -> Tunnel:
    on_switch = server.role == "switch"
    far = cluster.server(guest.hypervisor) if on_switch else cluster.switch
    return Tunnel(
        name=guest.tunnel,
        alias=f"{cluster.owner.mark}:{guest.name}",
        altname=f"farswitch-{cluster.name}-{guest.name}-tunnel",
        vni=guest.vni,
        local=server.underlay,
        remote=far.underlay,
        master=cluster.switch_bridge if on_switch else guest.bridge,
        mtu=mtu,
        port=cluster.settings.udp_port,
        device=device,
    )


def wanted_hops(cluster: Cluster, server: Server) -> tuple[MtuHop, ...]:
    """List the interfaces of a server that a guest's frame crosses."""
    if server.role == "switch":
        tunnels = (MtuHop(guest.tunnel) for guest in cluster.guests)
        return (*tunnels, MtuHop(cluster.switch_bridge))
    return tuple(
        hop
        for guest in cluster.guests_of(server.name)
        for hop in (
            MtuHop(guest.tunnel),
            MtuHop(guest.data_tap, bridge=guest.bridge),
            MtuHop(guest.bridge),
        )
    )


def wanted_forwarding(cluster: Cluster, server: Server) -> Forwarding:
    """Return the port of each bridge of the data network that leads to each guest's address."""
    if server.role == "switch":
        return {cluster.switch_bridge: {guest.data_mac: guest.tunnel for guest in cluster.guests}}
    addresses = [guest.data_mac for guest in cluster.guests]
    return {
        guest.bridge: {**dict.fromkeys(addresses, guest.tunnel), guest.data_mac: guest.data_tap}
        for guest in cluster.guests_of(server.name)
    }

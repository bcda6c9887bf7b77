"""The bridges, tunnels, veths and ports of a cluster that a server should have."""

from __future__ import annotations

from farswitch.links.forwarding import Forwarding
from farswitch.model.cluster import Cluster
from farswitch.model.links import Bridge, BridgePort, MtuHop, Tunnel, VethEnd
from farswitch.model.machines import Guest, Server

MANAGEMENT_MTU = 1500
"""Ethernet's own (IEEE 802.3): management traffic never crosses a tunnel."""


def wanted_bridges(cluster: Cluster, server: Server, *, mtu: int) -> tuple[Bridge, ...]:
    """List the bridges that the cluster has on a server; the MTU is in bytes of IP packet.

    On the switch that is one, or one for each plain port, or none; on a hypervisor a management
    bridge and the bridges of its guests.
    """
    if server.role == "switch":
        names = switch_bridges(cluster)
        return tuple(_bridge(cluster, name, what, mtu=mtu) for name, what in names.items())
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


def switch_bridges(cluster: Cluster) -> dict[str, str]:
    """Return the bridges on the switch server, each with what it is for: a guest, or the switch."""
    return {
        bridge: "switch" if bridge == cluster.switch_bridge else guest.name
        for guest in cluster.guests
        for bridge in cluster.port_links(guest).values()
        if bridge
    }


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
            BridgePort(name, bridge, guest.name)
            for guest in cluster.guests
            for name, bridge in cluster.port_links(guest).items()
            if bridge
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


def wanted_veths(cluster: Cluster, server: Server, *, mtu: int) -> tuple[VethEnd, ...]:
    """List the ends of the plain ports on a server; the MTU is in bytes of IP packet."""
    if server.role != "switch" or cluster.attachment != "plain port":
        return ()

    def end(guest: Guest, name: str, peer: str, master: str | None) -> VethEnd:
        return VethEnd(
            name=name,
            peer=peer,
            master=master,
            mtu=mtu,
            away=bool(cluster.port_namespace and master),
            alias=f"{cluster.owner.mark}:{guest.name}",
            altname=f"farswitch-{cluster.name}-{guest.name}-{'port' if master else 'switch'}",
        )

    return tuple(
        one
        for guest in cluster.guests
        for one in (
            end(guest, guest.port_near, guest.port_end, guest.port_bridge),
            end(guest, guest.port_end, guest.port_near, None),
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
        master=cluster.port_links(guest)[guest.tunnel] if on_switch else guest.bridge,
        arp=not (on_switch and cluster.settings.switch.traits.holds == "socket"),
        mtu=mtu,
        port=cluster.settings.udp_port,
        device=device,
    )


def wanted_hops(cluster: Cluster, server: Server) -> tuple[MtuHop, ...]:
    """List the interfaces of a server that a guest's frame crosses."""
    if server.role == "switch":
        links = (name for guest in cluster.guests for name in cluster.port_links(guest))
        return tuple(map(MtuHop, (*links, *switch_bridges(cluster))))
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
    addresses = [guest.data_mac for guest in cluster.guests]
    if server.role == "hypervisor":
        guests = cluster.guests_of(server.name)
        ways = {guest.bridge: (guest.data_mac, guest.data_tap, guest.tunnel) for guest in guests}
    elif cluster.attachment == "plain port":
        ways = {
            guest.port_bridge: (guest.data_mac, guest.tunnel, guest.port_near)
            for guest in cluster.guests
        }
    elif cluster.attachment == "bridge":
        return {cluster.switch_bridge: {guest.data_mac: guest.tunnel for guest in cluster.guests}}
    else:
        return {}
    return {
        bridge: {**dict.fromkeys(addresses, beyond), own: here}
        for bridge, (own, here, beyond) in ways.items()
    }

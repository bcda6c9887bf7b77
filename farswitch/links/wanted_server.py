"""What a cluster needs of a server that preflight checks before anything is touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network

from farswitch.links.underlay import peers
from farswitch.links.wanted import switch_bridges
from farswitch.lock.reserved import Reserved, reserved_by
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest, Server
from farswitch.model.owner import Owner


@dataclass(frozen=True, slots=True)
class WantedServer:
    """What a cluster wants of one server.

    Attributes:
        owner: Whose objects are no clash.
        peers: The servers that its tunnels lead to.
        guests: Those that run there.
        vnis: Of all guests.
        udp_port: Of all tunnels.
        links: The names of the bridges, tunnels and veths.
        networks: Those that nobody else may have there, by the names of their settings.
        own_device: Whose routes into these networks are no clash.
        pool_path: The folder of the guests' disks.
        reserved: What no other cluster may have.
    """

    server: Server
    owner: Owner
    peers: tuple[Server, ...]
    guests: tuple[Guest, ...]
    vnis: frozenset[int]
    udp_port: int
    links: frozenset[str]
    networks: Mapping[str, IPv4Network]
    own_device: str
    pool_path: str
    reserved: Reserved


def wanted_server(cluster: Cluster, server: Server) -> WantedServer:
    """Return what the cluster wants of one of its servers."""
    settings, guests = cluster.settings, cluster.guests_of(server.name)
    names = [name for guest in cluster.guests for name in cluster.port_links(guest)]
    names += switch_bridges(cluster)
    networks = {"data_network": settings.data_network}
    if server.role == "hypervisor":
        names = [cluster.management_bridge, *(guest.tunnel for guest in guests)]
        names += [guest.bridge for guest in guests]
        networks["management_network"] = settings.management_network
    return WantedServer(
        server=server,
        owner=cluster.owner,
        peers=peers(cluster, server),
        guests=guests,
        vnis=frozenset(guest.vni for guest in cluster.guests),
        udp_port=settings.udp_port,
        links=frozenset(names),
        networks=networks,
        own_device=cluster.management_bridge,
        pool_path=settings.pool_path,
        reserved=reserved_by(cluster),
    )

"""Bridges: one a guest and one for management on a hypervisor, one for all on the switch."""

from __future__ import annotations

from nornir.core.task import Result, Task

from connections.links import Bridge
from inventory.hosts import server_of
from inventory.model import Cluster, Server
from tasks.link_plan import Owner
from tasks.links import converge

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
        group=cluster.link_group,
        alias=f"{cluster.mark}:management",
        altname=f"farswitch-{cluster.name}-management",
        mtu=MANAGEMENT_MTU,
        arp=True,
        address=cluster.management_gateway,
    )
    guests = cluster.guests_of(server.name)
    return (management, *(_bridge(cluster, one.bridge, one.name, mtu=mtu) for one in guests))


def bridge(
    task: Task, cluster: Cluster, *, mtu: int, present: bool = True, dry_run: bool | None = None
) -> Result:
    """Converge the bridges of one server.

    A bridge of the data network is mute: the server answers no ARP on it and has no address there.

    Args:
        task: The Nornir task of a server.
        cluster: The cluster.
        mtu: MTU of the data network, in bytes of IP packet.
        present: False: remove the bridges.
        dry_run: True: tell the changes, make none. None: as the run says.

    Returns:
        A result whose `result` is the number of changes.

    Raises:
        ForeignObjectError: An interface stands under one of our names without our mark.
        LinkError: The kernel refused a change.
    """
    server = server_of(task.host)
    return converge(
        task,
        wanted_bridges(cluster, server, mtu=mtu),
        Owner.of(cluster, server.name),
        kind="bridge",
        present=present,
        dry_run=dry_run,
    )


def _bridge(cluster: Cluster, name: str, what: str, *, mtu: int) -> Bridge:
    return Bridge(
        name=name,
        group=cluster.link_group,
        alias=f"{cluster.mark}:{what}",
        altname=f"farswitch-{cluster.name}-{what}-bridge",
        mtu=mtu,
    )

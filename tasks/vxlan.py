"""Tunnels: one a guest, with an end on its hypervisor and a port on the switch."""

from __future__ import annotations

from nornir.core.task import Result, Task

from connections.links import Tunnel, VxlanAttrs
from inventory.hosts import server_of
from inventory.model import Cluster, Guest, Server
from tasks.link_plan import Owner
from tasks.links import converge


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


def vxlan(
    task: Task,
    cluster: Cluster,
    *,
    device: str,
    mtu: int,
    present: bool = True,
    dry_run: bool | None = None,
) -> Result:
    """Converge the tunnels of one server; their bridges must be there.

    Args:
        task: The Nornir task of a server.
        cluster: The cluster.
        device: The underlay's device there; with one the kernel bounds the tunnels' MTU.
        mtu: MTU of the data network, in bytes of IP packet.
        present: False: remove the tunnels.
        dry_run: True: tell the changes, make none. None: as the run says.

    Returns:
        A result whose `result` is the number of changes.

    Raises:
        ForeignObjectError: An interface stands under one of our names without our mark, or
            somebody else's tunnel has one of our VNIs.
        LinkError: The kernel refused a change.
    """
    server = server_of(task.host)
    return converge(
        task,
        wanted_tunnels(cluster, server, device=device, mtu=mtu),
        Owner.of(cluster, server.name),
        kind="vxlan",
        present=present,
        dry_run=dry_run,
    )


def _tunnel(cluster: Cluster, server: Server, guest: Guest, *, device: str, mtu: int) -> Tunnel:
    on_switch = server.role == "switch"
    far = cluster.server(guest.hypervisor) if on_switch else cluster.switch
    return Tunnel(
        name=guest.tunnel,
        group=cluster.link_group,
        alias=f"{cluster.mark}:{guest.name}",
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

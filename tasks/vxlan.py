"""Tunnels: one a guest, with an end on its hypervisor and a port on the switch."""

from __future__ import annotations

from nornir.core.task import Result, Task

from farswitch.links.apply import converge
from farswitch.links.wanted import wanted_tunnels
from farswitch.model.cluster import Cluster
from farswitch.site.nornir_data import server_of


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
        cluster.owner,
        kind="vxlan",
        present=present,
        dry_run=dry_run,
    )

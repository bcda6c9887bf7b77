"""Bridges: one a guest and one for management on a hypervisor, one for all on the switch."""

from __future__ import annotations

from nornir.core.task import Result, Task

from farswitch.links.apply import converge
from farswitch.links.wanted import wanted_bridges
from farswitch.model.cluster import Cluster
from farswitch.site.nornir_data import server_of


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
        cluster.owner,
        kind="bridge",
        present=present,
        dry_run=dry_run,
    )

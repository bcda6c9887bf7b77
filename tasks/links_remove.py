"""Applying a plan of bridges and tunnels, and removing all of a cluster's at once."""

from __future__ import annotations

from nornir.core.task import Result, Task

from farswitch.connections.access import netlink
from farswitch.connections.netlink.links import dump
from farswitch.links.apply import apply, result_of
from farswitch.links.plan import (
    plan_removal,
)
from farswitch.model.cluster import Cluster


def remove_links(task: Task, cluster: Cluster, *, dry_run: bool | None = None) -> Result:
    """Remove every bridge and tunnel of the cluster from a server in one request.

    Args:
        task: The Nornir task of a server.
        cluster: Whose interfaces go.
        dry_run: True: tell what would go. None: as the run says.

    Returns:
        A result whose `result` is the number of interfaces.
    """
    owner = cluster.owner
    with netlink(task).session() as ipr:
        have = dump(ipr)
        changes = plan_removal(have, owner)
        if not task.is_dry_run(dry_run):
            apply(ipr, have, changes)
    return result_of(task, changes)

"""/etc/hosts of every guest: each name resolves to the data address, never to a loopback one.

MPICH's processes tell each other their host's name; one that resolves to 127.0.1.1 breaks it.
"""

from __future__ import annotations

from nornir.core.task import Result, Task

from farswitch.guests.converge_files import converge
from farswitch.guests.files.hosts import wanted
from farswitch.model.cluster import Cluster


def hosts_file(
    task: Task, cluster: Cluster, *, present: bool = True, dry_run: bool | None = None
) -> Result:
    """Converge /etc/hosts of one guest.

    Args:
        task: Runs on a guest.
        cluster: Whose names it lists.
        present: False does nothing: a guest without its cluster is removed as a whole.
        dry_run: Only tell.
    """
    return converge(task, wanted(cluster) if present else (), dry_run=dry_run)

"""Key-only ssh from every node to every node, with every host key known beforehand."""

from __future__ import annotations

from nornir.core.task import Result, Task

from farswitch.guests.converge_files import converge
from farswitch.guests.files.ssh import login_files, public_files, secret_files
from farswitch.model.cluster import Cluster
from farswitch.state.record import Record


def ssh_keys(
    task: Task,
    cluster: Cluster,
    record: Record,
    *,
    present: bool = True,
    dry_run: bool | None = None,
) -> Result:
    """Converge keys and known hosts of one guest.

    Args:
        task: Runs on a guest.
        cluster: Whose guests are known to each other.
        record: The cluster's keys.
        present: False does nothing: a guest without its cluster is removed as a whole.
        dry_run: Only tell.
    """
    want = (
        *public_files(cluster, record),
        *login_files(cluster, record),
        *secret_files(cluster, record),
    )
    return converge(task, want if present else (), dry_run=dry_run)

"""/etc/hosts of every guest: each name resolves to the data address, never to a loopback one.

MPICH's processes tell each other their host's name; one that resolves to 127.0.1.1 breaks it.
"""

from __future__ import annotations

from nornir.core.task import Result, Task

from image.seed import File
from inventory.model import Cluster
from tasks.files import converge

PATH = "/etc/hosts"


def render(cluster: Cluster) -> bytes:
    """Return the content of /etc/hosts, the same on every guest."""
    lines = [
        f"# {cluster.mark}",
        "127.0.0.1 localhost",
        "::1 localhost ip6-localhost ip6-loopback",
        *(f"{guest.data_address.ip} {guest.name}" for guest in cluster.guests),
    ]
    return "\n".join(lines).encode() + b"\n"


def wanted(cluster: Cluster) -> tuple[File, ...]:
    """Return the file that every guest gets."""
    return (File(PATH, render(cluster), mode=0o644, owner="root:root"),)


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

"""Guests that are there and not wanted: found by our mark, removed with their disks and logs."""

from __future__ import annotations

from collections.abc import Collection

from nornir.core.task import Result, Task

from farswitch.connections.access import libvirt, shell
from farswitch.guests.remove import removal_of, remove
from farswitch.model.owner import Owner


def vm_remove(
    task: Task,
    owner: Owner,
    pool: str,
    *,
    keep: Collection[str] = (),
    dry_run: bool | None = None,
) -> Result:
    """Remove a cluster's guests from one hypervisor.

    Args:
        task: Runs on a hypervisor.
        owner: Whose guests.
        pool: The storage pool of their disks and seeds.
        keep: Names of the guests that stay; none at teardown.
        dry_run: True only reports. None: as the run says.
    """
    hypervisor = libvirt(task)
    removal = removal_of(hypervisor, owner.cluster, pool, lambda guest: guest not in keep)
    if not task.is_dry_run(dry_run):
        remove(hypervisor, shell(task), removal)
    gone = removal.lines
    return Result(host=task.host, changed=bool(gone), diff="\n".join(gone), count=len(gone))

"""Guests that are there and not wanted: found by our mark, removed with their disks and logs."""

from __future__ import annotations

from collections.abc import Collection

from nornir.core.task import Result, Task

from farswitch.connections.access import libvirt, shell
from farswitch.guests.remove import removal_of, remove
from farswitch.model.owner import Owner
from farswitch.rollback import timer as rollback


def vm_remove(
    task: Task,
    owner: Owner,
    pool: str,
    *,
    pool_path: str = "",
    keep: Collection[str] = (),
    dry_run: bool | None = None,
) -> Result:
    """Remove a cluster's guests from one hypervisor.

    Args:
        task: Runs on a hypervisor.
        owner: Whose guests.
        pool: The storage pool of their disks and seeds.
        pool_path: The pool's folder, where that is known: it may have been undefined by hand.
        keep: Names of the guests that stay; none at teardown.
        dry_run: True only reports. None: as the run says.
    """
    hypervisor = libvirt(task)
    login, goes = shell(task), lambda guest: guest not in keep
    removal = removal_of(hypervisor, login, owner.cluster, pool, goes, path=pool_path)
    if not task.is_dry_run(dry_run):
        if not keep:  # nothing puts them back, or lets them go on
            held = (rollback.name_of(kind, owner.cluster) for kind in rollback.HOLDING)
            rollback.confirm_all(login, *held)
        remove(hypervisor, login, removal)
    gone = removal.lines
    return Result(host=task.host, changed=bool(gone), diff="\n".join(gone), count=len(gone))

"""Base images that no guest needs any more, of whatever cluster, and their pool."""

from __future__ import annotations

from nornir.core.task import Result, Task

from farswitch.connections.access import libvirt, shell
from farswitch.guests.image_volumes import remove_unneeded


def image_remove(
    task: Task,
    pool: str,
    *,
    pool_path: str = "",
    without: str = "",
    dry_run: bool | None = None,
) -> Result:
    """Remove the base images and the pool from one hypervisor, once no guest's disk is left there.

    Args:
        task: Runs on a hypervisor.
        pool: The storage pool.
        pool_path: Its folder, where that is known: also a pool that was undefined by hand goes.
        without: A cluster whose guests count as gone in a dry run: they go right before.
        dry_run: True only reports. None: as the run says.
    """
    dry = task.is_dry_run(dry_run)
    lines = remove_unneeded(
        libvirt(task), shell(task), pool, path=pool_path, without=without, dry=dry
    )
    return Result(host=task.host, changed=bool(lines), diff="\n".join(lines), count=len(lines))

"""Removal of an owner's switches, of whatever kind; their interfaces have a task of their own."""

from __future__ import annotations

from nornir.core.task import Result, Task

from farswitch.model.owner import Owner
from farswitch.model.switch import remove_switches


def switch_remove(task: Task, owner: Owner, *, dry_run: bool | None = None) -> Result:
    """End the switches that an owner has on a server, and take their marks off it.

    Args:
        task: The Nornir task of a server.
        owner: Whose switches go.
        dry_run: True: report what would go. None: as the run says.

    Returns:
        A result whose `count` is the number of objects.
    """
    lines = remove_switches(task.host, owner, dry_run=task.is_dry_run(dry_run))
    return Result(task.host, changed=bool(lines), diff="\n".join(lines), count=len(lines))

"""Removal of an owner's switches, of whatever kind; their interfaces have a task of their own."""

from __future__ import annotations

from nornir.core.task import Result, Task

from farswitch.model.owner import Owner
from farswitch.model.switch import adapters


def switch_remove(
    task: Task, owner: Owner, *, spared: str = "", dry_run: bool | None = None
) -> Result:
    """End the switches that an owner has on a server, and take their marks off it.

    Args:
        task: The Nornir task of a server.
        owner: Whose switches go.
        spared: The kind of the one that stays.
        dry_run: True: report what would go. None: as the run says.

    Returns:
        A result whose `count` is the number of objects.
    """
    lines = []
    for name, kind in adapters().items():
        found = kind.leftovers(task.host).get(owner.cluster, ()) if name != spared else ()
        lines += [f"- switch {one}" for one in found]
        if found and not task.is_dry_run(dry_run):
            kind.remove(task.host, owner)
    return Result(task.host, changed=bool(lines), diff="\n".join(lines), count=len(lines))

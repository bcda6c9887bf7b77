"""Removal of all bridges and tunnels of an owner at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from nornir.core.task import Result, Task

from farswitch.connections.netlink.links import Link
from farswitch.links.apply import apply, converge
from farswitch.links.plan import plan_removal
from farswitch.model.owner import Owner


def links_remove(
    task: Task,
    owner: Owner,
    *,
    have: Sequence[Link] | None = None,
    dry_run: bool | None = None,
) -> Result:
    """Remove every bridge and tunnel of an owner from a server in one request.

    Args:
        task: The Nornir task of a server.
        owner: Whose interfaces go.
        have: Every interface of the server, if it was looked at before.
        dry_run: True: report what would go. None: as the run says.

    Returns:
        A result whose `count` is the number of interfaces.
    """
    planned = partial(plan_removal, owner=owner)
    return converge(task, planned, apply, have=have, dry_run=dry_run)

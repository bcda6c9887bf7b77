"""Bridges of a server."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from nornir.core.task import Result, Task

from farswitch.connections.netlink.links import Link
from farswitch.links.apply import apply, converge
from farswitch.links.plan import foreseen, plan
from farswitch.model.links import Bridge
from farswitch.model.owner import Owner


def bridge(
    task: Task,
    bridges: Sequence[Bridge],
    owner: Owner,
    *,
    have: Sequence[Link] | None = None,
    present: bool = True,
    dry_run: bool | None = None,
) -> Result:
    """Converge the bridges that an owner has on a server.

    Args:
        task: The Nornir task of a server.
        bridges: All that the owner should have there; others of the owner's are removed.
        owner: Whose bridges are meant.
        have: Every interface of the server, if it was looked at before.
        present: False: remove all bridges of the owner.
        dry_run: True: report the changes, make none. None: as the run says.

    Returns:
        A result whose `count` is the number of changes, and whose `result` is every interface as it
        is then, as far as known: what a later step of a dry run starts from.

    Raises:
        ForeignObjectError: An interface stands under one of these names without the owner's mark.
        LinkError: The kernel refused a change.
    """
    name = task.host.name
    planned = partial(plan, want=bridges, owner=owner, kind="bridge", server=name, present=present)
    return converge(task, planned, apply, concluded=foreseen, have=have, dry_run=dry_run)

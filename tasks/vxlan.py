"""Tunnels of a server: a vxlan interface each, as a port of a bridge."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from nornir.core.task import Result, Task

from farswitch.connections.netlink.links import Link
from farswitch.links.apply import apply, converge
from farswitch.links.plan import foreseen, plan
from farswitch.model.links import Tunnel
from farswitch.model.owner import Owner


def vxlan(
    task: Task,
    tunnels: Sequence[Tunnel],
    owner: Owner,
    *,
    have: Sequence[Link] | None = None,
    present: bool = True,
    dry_run: bool | None = None,
) -> Result:
    """Converge the ends of tunnels that an owner has on a server; their bridges must be there.

    Args:
        task: The Nornir task of a server.
        tunnels: All that the owner should have there; others of the owner's are removed.
        owner: Whose tunnels are meant.
        have: Every interface of the server, if it was looked at before.
        present: False: remove all tunnels of the owner.
        dry_run: True: report the changes, make none. None: as the run says.

    Returns:
        A result whose `count` is the number of changes, and whose `result` is every interface as it
        is then, as far as known: what a later step of a dry run starts from.

    Raises:
        ForeignObjectError: An interface stands under one of these names without the owner's mark,
            or somebody else's tunnel has one of the VNIs.
        FarswitchError: No interface has the local address of a tunnel.
        LinkError: The kernel refused a change.
    """
    name = task.host.name
    planned = partial(plan, want=tunnels, owner=owner, kind="vxlan", server=name, present=present)
    return converge(task, planned, apply, concluded=foreseen, have=have, dry_run=dry_run)

"""Ports of a server's bridges."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from nornir.core.task import Result, Task

from farswitch.connections.netlink.links import Link
from farswitch.links.apply import converge
from farswitch.links.ports import apply, plan, unplugged
from farswitch.model.links import BridgePort


def bridge_ports(
    task: Task,
    ports: Sequence[BridgePort],
    *,
    have: Sequence[Link] | None = None,
    present: bool = True,
    dry_run: bool | None = None,
) -> Result:
    """Converge the ports of one server's bridges; those that are not there are left out.

    Args:
        task: The Nornir task of a server.
        ports: Those that the bridges should have.
        have: Every interface of the server, if it was looked at before.
        present: False: nothing to do; a port goes with its interface.
        dry_run: True: report the changes, make none. None: as the run says.

    Returns:
        A result whose `count` is the number of changes, and whose `result` is the frozen set of the
        guests of which a tap is not there.

    Raises:
        FarswitchError: The kernel refused a change, or a bridge is missing.
    """
    if not present:
        return Result(host=task.host, result=frozenset(), count=0)
    return converge(
        task,
        partial(plan, want=ports),
        apply,
        concluded=lambda have, _changes: unplugged(have, ports),
        have=have,
        dry_run=dry_run,
    )

"""Plain ports of a server's switch: a veth pair each, whose far end carries whole frames."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from nornir.core.task import Result, Task

from farswitch.connections.access import shell
from farswitch.connections.netlink.links import Link
from farswitch.links.apply import apply, converge
from farswitch.links.offloads import differing
from farswitch.links.plan import foreseen, plan
from farswitch.model.links import VethEnd
from farswitch.model.owner import Owner
from farswitch.remote import command


def veth(
    task: Task,
    ends: Sequence[VethEnd],
    owner: Owner,
    *,
    have: Sequence[Link] | None = None,
    present: bool = True,
    dry_run: bool | None = None,
) -> Result:
    """Converge the veth pairs that an owner has on a server; their bridges must be there.

    Frames that leave an end in a bridge are whole: a program at the other end needs to know nothing
    of offloads, whatever the wire does.

    Args:
        task: The Nornir task of a server.
        ends: Both ends of all pairs that the owner should have there; others are removed.
        owner: Whose pairs are meant.
        have: Every interface of the server, if it was looked at before.
        present: False: remove all pairs of the owner.
        dry_run: True: report the changes, make none. None: as the run says.

    Returns:
        A result whose `count` is the number of changes, and whose `result` is every interface as it
        is then, as far as known: what a later step of a dry run starts from.

    Raises:
        ForeignObjectError: An interface stands under one of these names without the owner's mark.
        LinkError: The kernel refused a change.
    """
    planned = partial(
        plan, want=ends, owner=owner, kind="veth", server=task.host.name, present=present
    )
    done = converge(task, planned, apply, concluded=foreseen, have=have, dry_run=dry_run)
    near = [end.name for end in ends if end.master] if present else []
    lines = [done.diff] if done.diff else []
    if near:
        how = "read" if task.is_dry_run(dry_run) else "set"
        lines += differing(shell(task).run(command("whole_frames", how, *near)).stdout)
    diff = "\n".join(lines)
    count = len(diff.splitlines())
    return Result(task.host, result=done.result, changed=bool(diff), diff=diff, count=count)

"""Impairments of the ports whose ends a server has: what they do to frames on purpose."""

from __future__ import annotations

import json
from collections.abc import Sequence

from nornir.core.task import Result, Task

from farswitch.connections.access import netlink, shell
from farswitch.errors import FarswitchError, ObstaclesError
from farswitch.impair.changes import Change, changes_of, clean, plan_of, script_of
from farswitch.impair.observe import ImpairedEnds, KernelAbilities, kernel, observe
from farswitch.impair.plan import EndChange, PortEnd, of_kernel, plan, refused
from farswitch.model.impairment import Impairment
from farswitch.model.owner import Owner
from farswitch.remote import command
from farswitch.rollback import timer as rollback

SECONDS = 60
"""After which the server takes the impairments off by itself, where nobody confirmed them."""
MOST = 0.7
"""Of that time, for the changes: none is made while they are undone."""


def impair(
    task: Task,
    ends: Sequence[PortEnd],
    owner: Owner,
    *,
    mtu: int = 1450,
    lab: bool = False,
    present: bool = True,
    dry_run: bool | None = None,
) -> Result:
    """Converge what a server's ends of ports do to frames; others are left as they are.

    Args:
        task: The Nornir task of a server.
        ends: The ends that it has, with what should be done to what leaves them.
        owner: Whose ports are meant.
        mtu: Of the data network, in bytes of IP packet.
        lab: The servers are stand-ins: without netem a program may delay frames.
        present: False: nothing is done to frames at any end of the owner's.
        dry_run: True: report the changes, make none. None: as the run says.

    Returns:
        A result whose `count` is the number of ends, and whose `result` is the `ImpairedEnds` as
        they were found, after the changes where some were made.

    Raises:
        ForeignObjectError: Somebody else shapes an interface that is to be impaired.
        ObstaclesError: The kernel cannot do it; nothing was changed.
        FarswitchError: The kernel refused a change; no end of the plan is impaired.
    """
    login, server = shell(task), task.host.name
    dry, name = task.is_dry_run(dry_run), rollback.name_of(rollback.IMPAIR, owner.cluster)
    if not dry:  # what a run that was cut off has left is undone
        rollback.fire_all(login, name)
    have = _observed(task, owner)
    if not present:
        ends = _all_clear(have, owner)
    changes = plan(have, ends, server=server, foreseen=dry)
    if changes and not dry:
        able = _able(task, changes, lab=lab)
        made = [one for change in changes for one in changes_of(change, able, owner, mtu=mtu)]
        _apply(task, made, changes, owner)
        have = _observed(task, owner)
        left = plan(have, ends, server=server)
        if left:
            raise FarswitchError(
                f"On '{server}' this is not as it was made: {left[0]}.",
                hint=f"Look: nft list ruleset; ip -details link (on '{login.host}')",
            )
    elif changes:
        _able(task, changes, lab=lab)
    diff = "\n".join(map(str, changes))
    return Result(task.host, result=have, changed=bool(changes), diff=diff, count=len(changes))


def _observed(task: Task, owner: Owner) -> ImpairedEnds:
    with netlink(task).session() as ipr:
        return observe(shell(task), ipr, owner)


def _all_clear(have: ImpairedEnds, owner: Owner) -> list[PortEnd]:
    """Return all ends of which something is ours, without it."""
    prefix = f"{owner.guard_table}_"
    tables = {name.removeprefix(prefix) for name in have.tables}
    return [
        PortEnd("a guest", name, "what leaves it", Impairment())
        for name, state in have.ends.items()
        if name in tables or state.mine
    ]


def _able(task: Task, changes: Sequence[EndChange], *, lab: bool) -> KernelAbilities:
    """Return what the kernel can, where that matters.

    Raises:
        ObstaclesError: It cannot do what is wanted.
    """
    want = [change.end for change in changes]
    able = kernel(shell(task)) if of_kernel(want) else KernelAbilities()
    if obstacles := refused(want, able, server=task.host.name, lab=lab):
        raise ObstaclesError(obstacles)
    return able


def _apply(task: Task, made: Sequence[Change], changes: Sequence[EndChange], owner: Owner) -> None:
    """Make the changes; where one is refused, or nobody confirms, all ends are clean."""
    login = shell(task)
    name = rollback.name_of(rollback.IMPAIR, owner.cluster)
    timer = rollback.start(login, name, script_of(clean(changes, owner)), SECONDS)
    if error := _carried_out(task, made):
        if not _carried_out(task, clean(changes, owner)):
            rollback.confirm(login, timer)
        raise FarswitchError(
            f"'{task.host.name}' could not impair its ports: {error}",
            hint="What had been done to them is taken off again.",
        )
    if not rollback.confirm(login, timer):
        raise FarswitchError(
            f"The change took longer than {SECONDS} s, so '{task.host.name}' has taken the "
            "impairments off.",
            hint="Run it again when the machines have less to do.",
        )


def _carried_out(task: Task, made: Sequence[Change]) -> str:
    """Have the server make changes now; return why one could not be made."""
    text = f"{json.dumps(plan_of([('now', made)], MOST * SECONDS))}\n"
    done = shell(task).run(command("impair_agent"), stdin=text, timeout=SECONDS)
    return str(json.loads(done.stdout)["error"])

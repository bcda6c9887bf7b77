"""All guests of a hypervisor, standing still at one moment, and let go on."""

from __future__ import annotations

from collections.abc import Sequence

from nornir.core.task import Result, Task

from farswitch.connections.access import libvirt, shell
from farswitch.guests.snapshots import hold_seconds
from farswitch.model.machines import Guest
from farswitch.model.owner import Owner
from farswitch.rollback import timer as rollback


def hold(
    task: Task,
    guests: Sequence[Guest],
    owner: Owner,
    kind: str,
    undo: str = "",
    *,
    seconds: int | None = None,
    present: bool = True,
    dry_run: bool | None = None,
) -> Result:
    """Let guests stand still, or go on.

    A timer on the server lets them go on by itself: no guest stands still for ever because a run
    was cut off.

    Args:
        task: The Nornir task of a hypervisor.
        guests: Those that it runs.
        owner: Whose they are.
        kind: That of the timer: `SAVE` or `RESTORE`.
        undo: The script by which the server lets them go on.
        seconds: When it does; None: what these guests need at most. It may then take as long.
        present: False lets them go on now.
        dry_run: True does nothing. None: as the run says.

    Returns:
        A result whose `result` is False where the server has let them go on by itself.

    Raises:
        LibvirtError: A domain is not there, or cannot stand still.
    """
    if task.is_dry_run(dry_run):
        return Result(host=task.host, result=True)
    hypervisor, name = libvirt(task), rollback.name_of(kind, owner.cluster)
    if present:
        most = hold_seconds(guests)
        rollback.start(shell(task), name, undo, seconds or most, limit=most)
        for guest in guests:
            hypervisor.pause(guest.domain)
        return Result(host=task.host, result=True)
    for guest in guests:
        hypervisor.resume(guest.domain)
    return Result(host=task.host, result=rollback.confirm_all(shell(task), name))

"""Guests and what snapshots are in their disks: one look at a hypervisor."""

from __future__ import annotations

from collections.abc import Sequence

from nornir.core.task import Result, Task

from farswitch.connections.access import libvirt, shell
from farswitch.guests.boot_plan import observe
from farswitch.guests.snapshots import GuestSnapshots
from farswitch.model.machines import Guest
from farswitch.model.owner import Owner
from farswitch.rollback.confirmed_change import end_of_hold


def snapshot_look(
    task: Task, guests: Sequence[Guest], owner: Owner, *, dry_run: bool | None = None
) -> Result:
    """Look at guests and their snapshots, once none stands still since an earlier run was cut off.

    Args:
        task: The Nornir task of a hypervisor.
        guests: Those that it runs.
        owner: Whose they are.
        dry_run: True does not wait for that. None: as the run says.

    Returns:
        A result whose `result` has a `GuestSnapshots` by each guest's name.

    Raises:
        ForeignObjectError: A domain has a guest's name and not our mark.
    """
    undone = () if task.is_dry_run(dry_run) else end_of_hold(shell(task), owner.cluster)
    hypervisor, found = libvirt(task), {}
    for guest in guests:
        have = observe(hypervisor, guest)
        parts = hypervisor.snapshots(guest.domain)
        found[guest.name] = GuestSnapshots(have.state if have else None, parts)
    return Result(host=task.host, result=found, warnings=list(undone))

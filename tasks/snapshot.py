"""A guest's part of a snapshot: its memory and disk of one moment, within its disk."""

from __future__ import annotations

from nornir.core.inventory import Host
from nornir.core.task import Result, Task

from farswitch.connections.access import libvirt
from farswitch.model.machines import Guest


def snapshot(
    task: Task,
    guest: Guest,
    hypervisor: Host,
    snapshot: str,
    about: str = "",
    *,
    present: bool = True,
    dry_run: bool | None = None,
) -> Result:
    """Keep a guest as it is now, or forget what was kept.

    All guests of the cluster have to stand still meanwhile, else it is of no one moment.

    Args:
        task: Runs on a guest.
        guest: Which one.
        hypervisor: The Nornir host of the server that runs it.
        snapshot: The snapshot's name.
        about: What is kept with it, as `SnapshotAbout` writes it.
        present: False forgets it.
        dry_run: True only reports. None: as the run says.

    Raises:
        LibvirtError: There is one of that name already, or no room for it.
    """
    libvirtd = libvirt(hypervisor)
    changed = present or any(one.name == snapshot for one in libvirtd.snapshots(guest.domain))
    if changed and not task.is_dry_run(dry_run):
        if present:
            libvirtd.take_snapshot(guest.domain, snapshot, about)
        else:
            libvirtd.delete_snapshot(guest.domain, snapshot)
    diff = f"{'+' if present else '-'} snapshot {snapshot} of {guest.domain}" if changed else ""
    return Result(host=task.host, changed=changed, diff=diff, count=int(changed))

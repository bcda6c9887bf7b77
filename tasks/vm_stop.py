"""A guest's virtual machine, switched off; `vm_boot` starts it again."""

from __future__ import annotations

from nornir.core.inventory import Host
from nornir.core.task import Result, Task

from farswitch.connections.access import libvirt
from farswitch.guests.boot_plan import observe
from farswitch.guests.stop import stop
from farswitch.model.machines import Guest


def vm_stop(task: Task, guest: Guest, hypervisor: Host, *, dry_run: bool | None = None) -> Result:
    """Switch a guest off in order, or by its plug where it does not follow in time.

    Its disk, definition, bridge and tunnel stay.

    Args:
        task: Runs on a guest.
        guest: Which one.
        hypervisor: The Nornir host of the server that runs it.
        dry_run: True only reports. None: as the run says.

    Raises:
        ForeignObjectError: A domain has the guest's name and not our mark.
    """
    libvirtd = libvirt(hypervisor)
    have = observe(libvirtd, guest)
    if have is None or not have.state.active:
        return Result(host=task.host)
    notes = [] if task.is_dry_run(dry_run) else stop(task, libvirtd, guest)
    diff = f"- running {guest.domain}"
    return Result(host=task.host, changed=True, diff=diff, count=1, notes=notes)

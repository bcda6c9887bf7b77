"""A guest, as it was when a snapshot was saved."""

from __future__ import annotations

from nornir.core.inventory import Host
from nornir.core.task import Result, Task

from farswitch.connections.access import libvirt
from farswitch.guests.domain import seed_volume
from farswitch.guests.snapshots import MIB
from farswitch.guests.wait_ready import forget_login
from farswitch.model.machines import Guest


def snapshot_restore(
    task: Task,
    guest: Guest,
    hypervisor: Host,
    snapshot: str,
    *,
    seed: bool = False,
    dry_run: bool | None = None,
) -> Result:
    """Have a guest as it was, standing still; what it is now is lost.

    Args:
        task: Runs on a guest.
        guest: Which one.
        hypervisor: The Nornir host of the server that runs it.
        snapshot: The snapshot's name.
        seed: Its seed was attached, which is gone: an empty file takes its place, as nothing reads
            it any more.
        dry_run: True only reports. None: as the run says.

    Raises:
        LibvirtError: There is none of that name, or the guest does not come back.
    """
    if not task.is_dry_run(dry_run):
        libvirtd, pool, volume = libvirt(hypervisor), guest.settings.pool, seed_volume(guest)
        forget_login(task)
        try:
            if seed:
                owner = libvirtd.qemu_user()
                libvirtd.upload(pool, volume, bytes(MIB), MIB, mode=0o600, owner=owner)
            libvirtd.revert(guest.domain, snapshot)
        finally:
            if seed:
                libvirtd.delete_volume(pool, volume)
    diff = f"~ domain {guest.domain} (restore {snapshot})"
    return Result(host=task.host, changed=True, diff=diff, count=1)

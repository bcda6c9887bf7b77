"""The share: exported by the head to the data subnet, mounted by the others at first access.

The units are our own files, not lines of /etc/fstab, which belongs to the image. An automount needs
no order between the head's boot and the others'.
"""

from __future__ import annotations

from nornir.core.task import Result, Task

from farswitch.connections.access import shell
from farswitch.connections.shell.base import Shell
from farswitch.errors import FarswitchError
from farswitch.guests import share_state
from farswitch.guests.converge_files import apply, observe, plan, result_of
from farswitch.guests.files.nfs import TMPFILES, Share, share_files, unit_name
from farswitch.guests.observed import ObservedGuest
from farswitch.guests.share_state import ShareState
from farswitch.model.owner import Owner

_UNMOUNT = 'findmnt -n -t nfs,nfs4 --mountpoint "$1" >/dev/null || exit 0; umount -l "$1"'
"""What has a file open keeps it, the automount stays: the next access mounts as the unit says."""


def nfs(
    task: Task,
    share: Share,
    owner: Owner,
    *,
    have: ObservedGuest | None = None,
    present: bool = True,
    dry_run: bool | None = None,
) -> Result:
    """Converge the share of one guest: its files and the unit that serves or mounts it.

    Args:
        task: Runs on a guest.
        share: The folder, and whether the guest exports or mounts it.
        owner: Whose mark the files bear.
        have: The guest as it was observed before; None looks at its files and unit.
        present: False ends the export or the mount; the folder and what is in it stay.
        dry_run: True only reports. None: as the run says.

    Raises:
        FarswitchError: The image has no NFS, or the unit does not start.
    """
    login, want = shell(task), share_files(share, owner)
    changes = plan(observe(login, want, have.files if have else None), want, present=present)
    state = have.share if have else share_state.observe(login, share)
    wrong = share_state.wrong(share, state) if present else _running(share, state)
    if not task.is_dry_run(dry_run):
        if present:
            apply(login, changes)
            if changes or wrong:
                _restart(login, share, task.host.name, changed=bool(changes))
        elif changes or wrong:
            _stop(login, share)
            apply(login, changes)
            _reload(login, share)
    return result_of(task, changes, wrong)


def _running(share: Share, state: ShareState) -> list[str]:
    return [f"- unit {unit}" for unit in share.units] if state.active else []


def _restart(login: Shell, share: Share, guest: str, *, changed: bool) -> None:
    login.run(["systemctl", "daemon-reload"])
    if share.exports:
        login.run(["systemd-tmpfiles", "--create", TMPFILES])
    for unit in share.units:
        started = login.run(["systemctl", "enable", "--now", unit], timeout=60, check=False)
        if started.status != 0:
            raise FarswitchError(
                f"The unit '{unit}' of guest '{guest}' does not start: {started.stderr.strip()}",
                hint="The image needs nfs-kernel-server and nfs-common.",
            )
    if share.exports:
        login.run(["exportfs", "-ra"])
    elif changed or share_state.observe(login, share).missing_options:
        login.run(["sh", "-c", _UNMOUNT, "unmount", share.path], timeout=60)


def _stop(login: Shell, share: Share) -> None:
    mounts = () if share.exports else (unit_name(share.path, "mount"),)
    login.run(["systemctl", "disable", "--now", *share.units, *mounts], timeout=60)


def _reload(login: Shell, share: Share) -> None:
    login.run(["systemctl", "daemon-reload"])
    if share.exports:
        login.run(["exportfs", "-ra"])

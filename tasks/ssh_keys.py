"""Key-only ssh from every node to every node, with every host key known beforehand."""

from __future__ import annotations

from nornir.core.task import Result, Task

from farswitch.guests.converge_files import converge
from farswitch.guests.files.ssh import (
    ROOT_LOGINS,
    SshAccess,
    login_files,
    public_files,
    secret_files,
)
from farswitch.guests.observed import ObservedGuest
from farswitch.model.owner import Owner


def ssh_keys(
    task: Task,
    access: SshAccess,
    owner: Owner,
    *,
    have: ObservedGuest | None = None,
    present: bool = True,
    dry_run: bool | None = None,
) -> Result:
    """Converge keys and known hosts of one guest.

    Args:
        task: Runs on a guest.
        access: The keys, and the guests that know each other.
        owner: Whose mark the files bear.
        have: The guest as it was observed before; None reads the files.
        present: False removes them, but for root's authorized_keys: our own way in.
        dry_run: True only reports. None: as the run says.
    """
    want = (*public_files(access, owner), *login_files(access), *secret_files(access))
    if not present:
        want = tuple(file for file in want if file.path != ROOT_LOGINS)
    return converge(task, want, have=have.files if have else None, present=present, dry_run=dry_run)

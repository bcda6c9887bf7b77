"""MPICH, pinned to the data NIC and to its port ranges, whatever device it was built with.

Unpinned, UCX spreads payload over all NICs: half of it goes past the switch while everything seems
to work. sshd hands the variables to every session, so they hold for people, for scripts and for
the processes that the launcher starts.
"""

from __future__ import annotations

from collections.abc import Collection

from nornir.core.task import Result, Task

from farswitch.connections.access import shell
from farswitch.connections.shell.base import Shell
from farswitch.errors import FarswitchError
from farswitch.guests import sshd
from farswitch.guests.converge_files import FilesRead, apply, observe, plan, result_of
from farswitch.guests.files.mpi import DEVICE, SSHD, MpiSettings, device, mpi_files, pins
from farswitch.image.root_tree import FINALIZE
from farswitch.model.owner import Owner

_LOOK = 'mpichversion || exit; [ ! -e "$1" ] || echo "finalize: yes"'


def mpi(
    task: Task,
    settings: MpiSettings,
    owner: Owner,
    *,
    have: FilesRead | None = None,
    present: bool = True,
    dry_run: bool | None = None,
) -> Result:
    """Converge MPICH's settings on one guest.

    Args:
        task: Runs on a guest.
        settings: The hostfile's addresses and the port ranges.
        owner: Whose mark the files bear.
        have: The files as they were read before; None reads them.
        present: False removes the settings and our programs; MPICH stays.
        dry_run: True only reports. None: as the run says.

    Raises:
        FarswitchError: The guest has no MPICH, or one whose device we cannot pin.
    """
    login, built_with, finalize = shell(task), DEVICE, False
    if present:
        built_with, finalize = _check_mpich(login, task.host.name, pins(settings.payload_ports))
    want = mpi_files(settings, owner, finalize=finalize, built_with=built_with)
    changes = plan(observe(login, want, have), want, present=present)
    if not task.is_dry_run(dry_run):
        apply(login, changes)
        if any(change.file.path == SSHD for change in changes):
            sshd.reload(login)
    return result_of(task, changes)


def _check_mpich(login: Shell, guest: str, known: Collection[str]) -> tuple[str, bool]:
    """Return MPICH's device, and whether the image has the library that lets jobs end."""
    version = login.run(["sh", "-c", _LOOK, "mpi", FINALIZE], check=False)
    built_with = device(version.stdout)
    if version.status != 0 or not built_with:
        why = version.stderr.strip() or "mpichversion prints nothing"
        raise FarswitchError(
            f"Guest '{guest}' has no MPICH: {why}.",
            hint="The image needs the package mpich.",
        )
    if not built_with.startswith(tuple(known)):
        raise FarswitchError(
            f"MPICH of guest '{guest}' was built with device '{built_with}', wanted one of "
            f"{', '.join(known)}: its payload cannot be pinned to the data NIC.",
            hint="Use an image with one of these.",
        )
    return built_with, "finalize: yes" in version.stdout

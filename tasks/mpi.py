"""MPICH, pinned to the data NIC and to its port ranges, whatever device it was built with.

Unpinned, UCX spreads payload over all NICs: half of it goes past the switch while everything seems
to work. sshd hands the variables to every session, so they hold for people, for scripts and for
the processes that the launcher starts.
"""

from __future__ import annotations

from nornir.core.task import Result, Task

from farswitch.connections.access import shell
from farswitch.guests import mpich, sshd
from farswitch.guests.converge_files import apply, observe, plan, result_of
from farswitch.guests.files.mpi import DEVICE, SSHD, MpiSettings, mpi_files, pins
from farswitch.guests.observed import ObservedGuest
from farswitch.model.owner import Owner


def mpi(
    task: Task,
    settings: MpiSettings,
    owner: Owner,
    *,
    have: ObservedGuest | None = None,
    present: bool = True,
    dry_run: bool | None = None,
) -> Result:
    """Converge MPICH's settings on one guest.

    Args:
        task: Runs on a guest.
        settings: The hostfile's addresses and the port ranges.
        owner: Whose mark the files bear.
        have: The guest as it was observed before; None looks at its MPICH and files.
        present: False removes the settings and our programs; MPICH stays.
        dry_run: True only reports. None: as the run says.

    Raises:
        FarswitchError: The guest has no MPICH, or one whose device we cannot pin.
    """
    login, built_with, finalize = shell(task), DEVICE, False
    if present:
        found = have.mpich if have else mpich.observe(login)
        found.check(task.host.name, pins(settings.payload_ports))
        built_with, finalize = found.device, found.finalize
    want = mpi_files(settings, owner, finalize=finalize, built_with=built_with)
    changes = plan(observe(login, want, have.files if have else None), want, present=present)
    if not task.is_dry_run(dry_run):
        apply(login, changes)
        if any(change.file.path == SSHD for change in changes):
            sshd.reload(login)
    return result_of(task, changes)

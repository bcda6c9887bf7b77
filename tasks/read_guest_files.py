"""All files of ours on one guest, whichever task keeps them."""

from __future__ import annotations

from nornir.core.task import Result, Task

from farswitch.guests.converge_files import read_ahead
from farswitch.guests.files import hosts, mpi, nfs, ssh
from farswitch.model.cluster import Cluster
from farswitch.model.guest_file import File
from farswitch.model.machines import Guest
from farswitch.site.nornir_data import guest_of
from farswitch.state.record import Record


def wanted(cluster: Cluster, guest: Guest, record: Record) -> tuple[File, ...]:
    """Return the files; those of MPI as a guest without our library has them."""
    return (
        *hosts.wanted(cluster),
        *ssh.public_files(cluster, record),
        *ssh.login_files(cluster, record),
        *ssh.secret_files(cluster, record),
        *nfs.wanted(cluster, guest),
        *mpi.wanted(cluster, finalize=False),
    )


def guest_files(task: Task, cluster: Cluster, record: Record) -> Result:
    """Read all of them in one round trip, for the tasks right after.

    Args:
        task: Runs on a guest.
        cluster: Whose guest.
        record: The cluster's keys.
    """
    return read_ahead(task, wanted(cluster, guest_of(task.host), record))

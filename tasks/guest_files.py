"""All files of ours on one guest, whichever task keeps them."""

from __future__ import annotations

from nornir.core.task import Result, Task

from image.seed import File
from inventory.hosts import guest_of
from inventory.model import Cluster, Guest
from tasks import hosts_file, mpi, nfs, ssh_keys
from tasks.files import read_ahead
from tasks.record import Record


def wanted(cluster: Cluster, guest: Guest, record: Record) -> tuple[File, ...]:
    """Return the files; those of MPI as a guest without our library has them."""
    return (
        *hosts_file.wanted(cluster),
        *ssh_keys.public_files(cluster, record),
        *ssh_keys.login_files(cluster, record),
        *ssh_keys.secret_files(cluster, record),
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

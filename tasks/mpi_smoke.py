"""MPI across the cluster: one real MPI job, around all of its nodes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from nornir.core.task import Result, Task

from farswitch.connections.access import shell
from farswitch.guests.mpi_launch import Ring, around_mtu, ring
from farswitch.model.machines import Guest


def mpi_smoke(task: Task, guests: Sequence[Guest], mtu: int) -> Result:
    """Run a ring over the guests; changes nothing.

    Args:
        task: Runs on the guest that starts the jobs.
        guests: Those that take part, all of one cluster.
        mtu: Of the data network, in bytes.

    Raises:
        FarswitchError: MPI does not work across them.
    """
    settings = guests[0].settings
    # A login keeps the variables that sshd had for it when it began: before the build's changes.
    with closing(shell(task).again()) as login:
        around = ring(login, settings, guests, around_mtu(mtu))
    return Result(host=task.host, notes=[_described(around)])


def _described(around: Ring) -> str:
    """Return what people see of the ring."""
    laps = ", ".join(f"{lap.size} B in {lap.seconds * 1e3:.1f} ms" for lap in around.laps)
    return f"MPI ring over {', '.join(around.nodes)}: {laps}, all intact"

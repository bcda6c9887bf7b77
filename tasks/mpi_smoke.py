"""MPI across the cluster: the launcher on two nodes, then a real MPI program around all of them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from nornir.core.task import Result, Task

from farswitch.connections.access import shell
from farswitch.guests.mpi_launch import Launch, Ring, around_mtu, launch, ring
from farswitch.model.machines import Guest


def mpi_smoke(task: Task, guests: Sequence[Guest], mtu: int) -> Result:
    """Run the launcher on two guests and a ring over all of them; changes nothing.

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
        launched = launch(login, settings, guests[:2])
        around = ring(login, settings, guests, around_mtu(mtu))
    return Result(host=task.host, notes=_describe(launched, around))


def _describe(launched: Launch, around: Ring) -> list[str]:
    """Return what people see of both."""
    slowest = max(around.laps, key=lambda lap: lap.size)
    return [
        f"$ {launched.command}",
        *launched.names,
        f"mpi4py ring over {', '.join(around.nodes)}: "
        + ", ".join(f"{lap.size} B in {lap.seconds * 1e3:.1f} ms" for lap in around.laps)
        + (", all intact" if slowest.intact else ""),
    ]

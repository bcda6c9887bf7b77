"""A program under mpiexec, started on the head as the cluster's user."""

from __future__ import annotations

from collections.abc import Sequence

from nornir.core.task import Result, Task

from farswitch.connections.access import shell
from farswitch.guests.mpi_launch import as_user
from farswitch.model.settings import Settings


def mpi_program(task: Task, argv: Sequence[str], settings: Settings, seconds: float) -> Result:
    """Run a command, and wait for its end.

    Args:
        task: Nornir's task on the head.
        argv: The command, which ends by itself when its time is up.
        settings: The cluster's, for its user.
        seconds: How long it may take in any case.

    Returns:
        A result whose `result` is a `Completed`; another status than 0 is no failure of the task.
    """
    ended = shell(task).run(as_user(settings, argv), timeout=seconds, check=False)
    return Result(task.host, result=ended)

"""How busy a host is, and what its interfaces counted."""

from __future__ import annotations

from collections.abc import Sequence

from nornir.core.task import Result, Task

from farswitch.connections.access import shell
from farswitch.study import host_state as study


def host_state(task: Task, interfaces: Sequence[str] = (), seconds: float = 0.0) -> Result:
    """Read a host's load, counters and retransmissions.

    Args:
        task: Nornir's task on a server or guest.
        interfaces: Whose counters are read.
        seconds: For how long its processors are watched first; 0: not at all.

    Returns:
        A result whose `result` is a `HostState`.
    """
    return Result(task.host, result=study.host_state(shell(task), interfaces, seconds))

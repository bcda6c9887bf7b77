"""All files of ours on one guest, whichever task keeps them."""

from __future__ import annotations

from collections.abc import Sequence

from nornir.core.task import Result, Task

from farswitch.connections.access import shell


def read_guest_files(task: Task, paths: Sequence[str]) -> Result:
    """Read files at once, for the tasks right after: a round trip costs a slow guest 0.3 s.

    Args:
        task: Runs on a guest.
        paths: Of all those tasks.

    Returns:
        A result whose `result` is what those tasks take as `have`.
    """
    return Result(host=task.host, result=shell(task).facts(paths))

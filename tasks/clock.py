"""A guest's clock, set by that of its hypervisor."""

from __future__ import annotations

import time

from nornir.core.inventory import Host
from nornir.core.task import Result, Task

from farswitch.connections.access import shell

MOST_SECONDS = 1.0
"""What it may differ: a command of an emulated guest takes 0.2 s, and a file's time counts whole
seconds for `make`."""


def clock(
    task: Task, hypervisor: Host, *, allowed: float = MOST_SECONDS, dry_run: bool | None = None
) -> Result:
    """Set a guest's clock where it differs from its hypervisor's, as after a restore.

    Args:
        task: Runs on a guest.
        hypervisor: The Nornir host of the server that runs it.
        allowed: How many seconds it may differ.
        dry_run: True only reports. None: as the run says.

    Returns:
        A result whose `result` is by how many seconds the guest was behind.
    """
    server, at = float(shell(hypervisor).run(["date", "+%s.%N"]).stdout), time.monotonic()
    own = float(shell(task).run(["date", "+%s.%N"]).stdout)
    behind = server + (time.monotonic() - at) - own
    wrong = abs(behind) > allowed
    if wrong and not task.is_dry_run(dry_run):
        now = server + (time.monotonic() - at)
        shell(task).run(["date", f"--set=@{now:.3f}"])
    diff = f"~ clock of {task.host.name} ({behind:+.0f} s)" if wrong else ""
    return Result(host=task.host, changed=wrong, diff=diff, count=int(wrong), result=behind)

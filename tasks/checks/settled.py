"""Is a host still as the build left it? The build's own tasks say, in dry run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nornir.core.task import Result, Task

from inventory.errors import FarswitchError
from tasks.check import Check

AS_BUILT = "as built"
HINT = "Put it right: python -m workflows.build"


def judge(name: str, host: str, diff: str) -> Check:
    """Return the verdict on what a task would change; an empty diff means nothing."""
    found = diff.strip() or AS_BUILT
    return Check(name, host, ok=found == AS_BUILT, measured=found, expected=AS_BUILT, hint=HINT)


def settled(
    task: Task, *, of: Callable[..., Result], check: str, arguments: Mapping[str, Any]
) -> Result:
    """Run one of the build's tasks without touching anything, and judge what it finds.

    Args:
        task: Runs on the host that is judged.
        of: The build's task.
        check: The check's name.
        arguments: The task's own.
    """
    host = task.host.name
    try:
        found = of(task, **arguments, dry_run=True)
    except FarswitchError as error:
        failed = Check(
            check, host, ok=False, measured=str(error), expected=AS_BUILT, hint=error.hint
        )
        return Result(host=task.host, checks=[failed])
    diff = (found.diff or f"{found.result} changes") if found.changed else ""
    return Result(host=task.host, checks=[judge(check, host, diff)])

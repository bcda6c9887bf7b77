"""A line of shell on a guest, as one of its users."""

from __future__ import annotations

from nornir.core.task import Result, Task

from farswitch.connections.access import shell
from farswitch.guests.commands import run_line


def run_command(task: Task, line: str, user: str, seconds: float) -> Result:
    """Run a line of shell in a session of a user's, and end it when its time is up.

    Args:
        task: Runs on a guest.
        line: What the user's login shell is given, as in `ssh guest LINE`.
        user: Whose session it is.
        seconds: How long it may take.

    Returns:
        A result whose `result` is a `CommandReport`; another status than 0 is no failure of the
        task.

    Raises:
        FarswitchError: The guest did not report how the line ended.
    """
    return Result(host=task.host, result=run_line(shell(task), line, user, seconds))

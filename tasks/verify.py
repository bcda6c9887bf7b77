"""The Nornir task by which verify observes: what a host shows, or why it could not be asked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from nornir.core.task import Result, Task

from farswitch.connections.shell.protocol import ConnectionLostError
from farswitch.errors import FarswitchError

LOGGER = logging.getLogger("farswitch")


def verify(task: Task, observations: Sequence[Callable[[Task], object]]) -> Result:
    """Make observations on one host, one after the other.

    Args:
        task: Runs on the host.
        observations: What is read; each changes nothing, or takes back what it changed.

    Returns:
        As `result` a list of what each found out, or of the FarswitchError that ended it. Where the
        host's login is lost, its later observations have the same error.
    """
    outcomes: list[object] = []
    lost: ConnectionLostError | None = None
    for observe in observations:
        outcome = lost or _outcome(task, observe)
        if isinstance(outcome, ConnectionLostError) and outcome.host == task.host.name:
            lost = outcome
        outcomes.append(outcome)
    return Result(host=task.host, result=outcomes)


def _outcome(task: Task, observe: Callable[[Task], object]) -> object:
    try:
        return observe(task)
    except FarswitchError as error:
        return error
    except Exception as error:  # a fault of ours is no reason to miss a check
        LOGGER.exception("An observation on '%s'", task.host.name)
        said = f"{type(error).__name__}: {error}"
        return FarswitchError(said, hint="The log file has the traceback.")

"""sshd of a guest, which reads its settings anew."""

from __future__ import annotations

from contextlib import closing

from farswitch.connections.shell.base import Shell
from farswitch.connections.shell.protocol import ConnectionLostError
from farswitch.deadline import Deadline, DeadlineError, wait_until
from farswitch.pace import patient

RELOAD_SECONDS = 60.0
"""sshd starts itself anew: under emulation, on a busy machine, that takes a few seconds."""


def reload(login: Shell) -> None:
    """Let sshd read its settings, and wait until a new login works: its port closes meanwhile.

    Raises:
        ConnectionLostError: No new login worked in time.
        CommandError: sshd refuses its settings; the old ones stay in force.
    """
    login.run(["systemctl", "reload", "ssh"])
    last: ConnectionLostError | None = None

    def answers() -> bool:
        nonlocal last
        with closing(login.again()) as fresh:
            try:
                fresh.run(["true"])
            except ConnectionLostError as error:
                last = error
                return False
            return True

    try:
        wait_until(answers, Deadline(patient(RELOAD_SECONDS)), what="A login after sshd's reload")
    except DeadlineError as error:
        raise last or error from error

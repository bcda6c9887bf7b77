"""A change of a firewall that undoes itself unless a new login to the server confirms it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from connections.shell import ConnectionLostError, Shell
from connections.wait import Deadline, DeadlineError, wait_until
from inventory.errors import FarswitchError
from inventory.model import Cluster
from tasks import deadman

FIREWALL = "firewall"
SECONDS = 60
"""After which the server undoes what nobody confirmed."""
CONFIRM_SECONDS = 30.0
"""How long new logins are tried: sshd turns some away when many come at once (MaxStartups)."""


class UnconfirmedError(FarswitchError):
    """No new login to a server works since its firewall was changed, or none did in time."""

    def __init__(self, server: str, cause: str) -> None:
        super().__init__(
            f"The change of the firewall of '{server}' was not confirmed by a new login: {cause} "
            f"The server undoes it by itself, {SECONDS} s after it began.",
            hint=f"Look which rule lets you in to '{server}', or set firewall: narrow in the site.",
        )
        self.server = server
        self.cause = cause


@contextmanager
def revertible(shell: Shell, cluster: Cluster, undo: str) -> Iterator[None]:
    """Change a firewall in the block; the server undoes it unless a new login still works after it.

    Args:
        shell: The server.
        cluster: For whom.
        undo: A script for `sh`; none for no change.

    Raises:
        UnconfirmedError: The change was, or will be, undone.
    """
    if not undo:
        yield
        return
    armed = deadman.arm(shell, deadman.name_of(FIREWALL, cluster), undo, SECONDS)
    try:
        yield
    finally:  # also after an error that left the way in open: what was done is in the journal
        _confirm(shell, armed)


def settle(shell: Shell, cluster: Cluster, *, last: bool = False) -> tuple[str, ...]:
    """End the timers of a run that was cut off: our login is a new one, so it confirms.

    Args:
        shell: The server.
        cluster: Whose timers.
        last: Those of verify too: nothing is left for them to undo.

    Returns:
        A sentence for each change that was undone.
    """
    if last:
        _end(shell, deadman.name_of(deadman.CONTROL, cluster))
    return tuple(
        f"An earlier change of the firewall was not confirmed and {one}."
        for one in _end(shell, deadman.name_of(FIREWALL, cluster))
    )


def _end(shell: Shell, name: str) -> tuple[deadman.Outcome, ...]:
    found = deadman.look(shell, name)
    for timer in found.armed:
        deadman.disarm(shell, deadman.Armed(timer, SECONDS))
    return found.fired


def _confirm(shell: Shell, armed: deadman.Armed) -> None:
    """Disarm the timer over a login that begins now, not over a channel of the old one."""
    cause = "there was no time to try."

    def attempt() -> str | None:
        nonlocal cause
        fresh = shell.again()
        try:
            return "in time" if deadman.disarm(fresh, armed) else "too late"
        except ConnectionLostError as error:
            cause = f"{error}."
            return None
        finally:
            fresh.close()

    try:
        ended = wait_until(attempt, Deadline(CONFIRM_SECONDS), what="A new login", interval=1.0)
    except DeadlineError as error:
        raise UnconfirmedError(shell.host, cause) from error
    if ended == "too late":
        raise UnconfirmedError(shell.host, f"it took more than {SECONDS} s.")

"""Every change of a firewall by us undoes itself unless a new login to the server confirms it.

The server is given the undo first (`deadman`), then the change is made, then a login that begins
after it takes the undo away. What is in the journal stays there until that is done, so a change
that was undone is one that was never made; and a run ends the timers of the runs before it before
it looks at what there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from farswitch.connections.shell.protocol import ConnectionLostError, Shell
from farswitch.deadline import Deadline, DeadlineError, wait_until
from farswitch.errors import FarswitchError
from farswitch.model.cluster import Cluster
from farswitch.rollback import timer as deadman

FIREWALL = "firewall"
"""The kind of the timers for what all clusters share; only who has the shared settings has one."""
GUARD = "guard"
"""The kind of the timers for a cluster's own tables."""
SECONDS = 60
"""After which the server undoes what nobody confirmed."""
CONFIRM_SECONDS = 30.0
"""How long new logins are tried: sshd turns some away when many come at once (MaxStartups)."""


class UnconfirmedError(FarswitchError):
    """No new login to a server works since its firewall was changed, or none did in time."""

    def __init__(self, server: str, cause: str = "") -> None:
        told = (
            f"was not confirmed by a new login: {cause} "
            f"The server undoes it by itself, {SECONDS} s after it began."
            if cause
            else f"was confirmed by no new login within {SECONDS} s, so the server has undone it."
        )
        super().__init__(
            f"The change of the firewall of '{server}' {told}",
            hint=f"Look which rule lets you in to '{server}' (a build may have firewall: narrow "
            "in its site), or run this from where it lets you in.",
        )
        self.server = server
        self.cause = cause


@contextmanager
def revertible(shell: Shell, cluster: Cluster, undo: str, kind: str = FIREWALL) -> Iterator[None]:
    """Change a firewall in the block; the server undoes it unless a new login still works after it.

    Args:
        shell: The server.
        cluster: For whom.
        undo: A script for `sh`; none for no change.
        kind: What is changed.

    Raises:
        UnconfirmedError: The change was, or will be, undone.
    """
    if not undo:
        yield
        return
    armed = deadman.arm(shell, deadman.name_of(kind, cluster), undo, SECONDS)
    try:
        yield
    finally:  # also after an error that left the way in open: what was done is in the journal
        if not _confirm(shell, armed, CONFIRM_SECONDS):
            raise UnconfirmedError(shell.host)


def settle(shell: Shell, cluster: Cluster, *, last: bool = False) -> tuple[str, ...]:
    """End what runs of a cluster that were cut off left to be undone, before anything is looked at.

    A new login that still works confirms their changes. Else the undo is waited for.

    Args:
        shell: The server.
        cluster: Whose timers; nobody else works on it.
        last: Those of verify too: nothing is left for them to undo.

    Returns:
        A sentence for each change that was undone.

    Raises:
        UnconfirmedError: No new login works.
    """
    if last:
        _end(shell, deadman.look(shell, deadman.name_of(deadman.CONTROL, cluster)))
    names = [deadman.name_of(kind, cluster) for kind in (FIREWALL, GUARD)]
    found = deadman.look(shell, *names)
    fired = found.fired
    if found.armed:
        _end(shell, found)
        fired += deadman.look(shell, *names).fired
    return tuple(
        f"An earlier change of the firewall of '{shell.host}' was not confirmed by a new login, "
        f"so the server has taken it back: {one}."
        for one in fired
    )


def settle_shared(shell: Shell) -> None:
    """End the timers of other clusters' runs that were cut off in a change of what all share.

    Call it with the shared settings held: then no run is in the middle of such a change. How an
    undo ended is told to the next run of its cluster.

    Raises:
        UnconfirmedError: No new login works.
    """
    _end(shell, deadman.look(shell, f"{FIREWALL}-*", tell=False))


@contextmanager
def carrying(notes: Iterable[str]) -> Iterator[None]:
    """Give an error of the block what is to be told in any case, as its notes."""
    try:
        yield
    except Exception as error:
        for note in notes:
            error.add_note(note)
        raise


def _end(shell: Shell, found: deadman.Found) -> None:
    """Disarm timers; where no login works, wait for the undo that brings the way in back."""
    for timer in found.armed:
        _confirm(shell, deadman.Armed(timer, SECONDS), SECONDS + CONFIRM_SECONDS)


def _confirm(shell: Shell, armed: deadman.Armed, seconds: float) -> bool:
    """Disarm the timer over a login that begins now, not over a channel of the old one.

    Returns:
        False: it had fired, and its undo has ended.
    """
    cause = ""

    def attempt() -> str | None:
        nonlocal cause
        fresh = shell.again()
        try:
            return "in time" if deadman.disarm(fresh, armed) else "too late"
        except ConnectionLostError as error:
            cause = f"{error}."
            return None
        except deadman.TimerGoneError:
            if not cause:
                raise
            return "in time"  # the answer to an earlier attempt never came
        finally:
            fresh.close()

    try:
        ended = wait_until(attempt, Deadline(seconds), what="A new login", interval=1.0)
    except DeadlineError as error:
        raise UnconfirmedError(shell.host, cause) from error
    return ended == "in time"

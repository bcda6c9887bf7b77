"""A confirmed change of a firewall: it is undone unless a new login to the server confirms it.

As "commit confirmed" of Junos and of NETCONF (RFC 6241, 8.4). The server is given the undo first,
then the change is made, then a login that begins after it confirms it. What is in the journal stays
there until that is done, so a change that was undone is one that was never made; and a run ends the
timers of the runs before it before it looks at what there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from farswitch.connections.shell.base import Shell
from farswitch.connections.shell.protocol import (
    CommandTimeoutError,
    ConnectionLostError,
    LoginShellError,
    PrivilegeError,
)
from farswitch.deadline import Deadline, DeadlineError, wait_until
from farswitch.errors import FarswitchError
from farswitch.pace import patient
from farswitch.rollback import timer as rollback
from farswitch.rollback.timer import (
    CONTROL,
    ENDING,
    EXCHANGE,
    HOLDING,
    IMPAIR,
    LOCAL,
    MATRIX,
    MOST_HOLD_SECONDS,
    RESTORE,
    SAVE,
    Rollback,
    RollbackTimer,
    TimerGoneError,
    kind_of,
    list_timers,
)

FIREWALL = "firewall"
"""The kind of the timers for what all clusters share; only who has the shared settings has one."""
GUARD = "guard"
"""The kind of the timers for a cluster's own tables."""
SECONDS = 60
"""After which the server undoes what nobody confirmed."""
CONFIRM_SECONDS = 30.0
"""How long new logins are tried: sshd turns some away when many come at once (MaxStartups)."""


NO_LOGIN = (ConnectionLostError, CommandTimeoutError, LoginShellError, PrivilegeError)
"""What a login ends with that does not work, or not now: packets of it may be dropped anywhere."""


class UnconfirmedError(FarswitchError):
    """No new login to a server works since its firewall was changed, or none did in time."""

    def __init__(self, server: str, cause: str = "") -> None:
        outcome = (
            f"was not confirmed by a new login: {cause} "
            f"The server undoes it by itself, {SECONDS} s after it began."
            if cause
            else f"was confirmed by no new login within {SECONDS} s, so the server has undone it."
        )
        super().__init__(
            f"The change of the firewall of '{server}' {outcome}",
            hint=f"Look which rule lets you in to '{server}' (a build may have firewall: narrow "
            "in its site), or run this from where it lets you in.",
        )
        self.server = server
        self.cause = cause


@contextmanager
def confirmed_change(shell: Shell, cluster: str, undo: str, kind: str = FIREWALL) -> Iterator[None]:
    """Change a firewall in the block; the server undoes it unless a new login still works after it.

    `undo` is a script for `sh`, empty for no change; `kind` is what is changed.

    Raises:
        UnconfirmedError: The change was, or will be, undone.
    """
    if not undo:
        yield
        return
    timer = rollback.start(shell, rollback.name_of(kind, cluster), undo, SECONDS)
    try:
        yield
    finally:  # also after an error that left the way in open: what was done is in the journal
        if not _confirm(shell, timer, min(patient(CONFIRM_SECONDS), SECONDS)):
            raise UnconfirmedError(shell.host)


def confirm_earlier(shell: Shell, cluster: str, *, last: bool = False) -> tuple[str, ...]:
    """End the timers that runs of a cluster left when they were cut off, before anything is read.

    A new login that still works confirms their changes. Else the undo is waited for. Impairments,
    which a login tells nothing of, are undone. Return a sentence for each change that was undone.
    Nobody else works on the cluster; the `last` call ends those of verify too: nothing is left for
    them to undo. What a server does for guests that stand still for a snapshot is waited for, as
    nobody else can do it; the `last` call needs no guests.

    Raises:
        UnconfirmedError: No new login works.
        DeadlineError: Guests still stand still for a snapshot.
    """
    if last:
        _end(shell, list_timers(shell, rollback.name_of(CONTROL, cluster)).pending)
    kinds = (FIREWALL, GUARD, EXCHANGE, ENDING, LOCAL, IMPAIR, MATRIX, *HOLDING)
    names = [rollback.name_of(kind, cluster) for kind in kinds]
    timers = list_timers(shell, *names)
    fired = timers.fired
    if timers.pending:
        held = [] if last else [one for one in timers.pending if kind_of(one) in HOLDING]
        if held:
            _wait_for_end(shell, cluster)
        rollback.fire_all(shell, rollback.name_of(IMPAIR, cluster))
        others = (one for one in timers.pending if one not in held and kind_of(one) != IMPAIR)
        _end(shell, others)
        fired += list_timers(shell, *names).fired
    changes = (undone for undone in fired if kind_of(undone.id) != MATRIX)
    return tuple(_taken_back(shell.host, undone) for undone in changes)


def confirm_earlier_shared(shell: Shell) -> None:
    """Wait until a server has undone what cut-off runs of other clusters changed of what all share.

    It is not ours to confirm: our way in may be open where theirs is shut. Call it with the shared
    settings held: then no run begins such a change. How an undo ended is reported to the next run
    of its cluster.

    Raises:
        DeadlineError: A server has not in time.
    """
    wait_until(
        lambda: not list_timers(shell, f"{FIREWALL}-*", report=False).pending,
        Deadline(SECONDS + CONFIRM_SECONDS),
        what="The end of another cluster's change",
        interval=1.0,
    )


@contextmanager
def with_notes(notes: Iterable[str]) -> Iterator[None]:
    """Give an error of the block what is to be reported in any case, as its notes."""
    try:
        yield
    except Exception as error:
        for note in notes:
            error.add_note(note)
        raise


_EXCHANGED = "An earlier exchange of the switch on '{server}' was cut off, so the server has "
_TAKEN_BACK = {
    EXCHANGE: f"{_EXCHANGED}given the ports back to the old one",
    ENDING: f"{_EXCHANGED}ended what was left beside the one in use",
    LOCAL: "An earlier measurement on a local path was cut off, so '{server}' has given the guests "
    "their own bridges back",
    IMPAIR: "An earlier impairment of ports on '{server}' was cut off, so the server has taken it "
    "off",
    SAVE: "An earlier save of a snapshot was cut off, so '{server}' has let the guests go on "
    "without it",
    RESTORE: "An earlier restore of a snapshot was cut off, so '{server}' has brought it to its "
    "end",
}
"""By kind of timer, what its undo has done; of all others `_UNCONFIRMED`."""
_UNCONFIRMED = (
    "An earlier change of the firewall of '{server}' was not confirmed by a new login, so the "
    "server has taken it back"
)


def _taken_back(server: str, undone: Rollback) -> str:
    sentence = _TAKEN_BACK.get(kind_of(undone.id), _UNCONFIRMED)
    return f"{sentence.format(server=server)}: {undone}."


def end_of_hold(shell: Shell, cluster: str) -> tuple[str, ...]:
    """Wait until a server has let guests go on that stand still since a run was cut off.

    Return a sentence for each save or restore that it has brought to its end.

    Raises:
        DeadlineError: It has not in time.
    """
    _wait_for_end(shell, cluster)
    fired = list_timers(shell, *_holding(cluster)).fired
    return tuple(_taken_back(shell.host, undone) for undone in fired)


def _holding(cluster: str) -> list[str]:
    return [rollback.name_of(kind, cluster) for kind in HOLDING]


def _wait_for_end(shell: Shell, cluster: str) -> None:
    """Wait until the server has let the cluster's guests go on.

    Raises:
        DeadlineError: It has not in time.
    """
    names = _holding(cluster)
    wait_until(
        lambda: not list_timers(shell, *names, report=False).pending,
        Deadline(2 * MOST_HOLD_SECONDS),
        what="The end of an earlier snapshot's save or restore",
        interval=1.0,
    )


def _end(shell: Shell, timers: Iterable[str]) -> None:
    """Confirm changes; where no login works, wait for the undo that brings the way in back."""
    for timer in timers:
        _confirm(shell, RollbackTimer(timer, SECONDS), SECONDS + CONFIRM_SECONDS)


def _confirm(shell: Shell, timer: RollbackTimer, seconds: float) -> bool:
    """Confirm over a login that begins now, not over a channel of the old one.

    False: the timer had fired, and its undo has ended.
    """
    cause = ""

    def attempt() -> str | None:
        nonlocal cause
        fresh = shell.again()
        try:
            return "in time" if rollback.confirm(fresh, timer) else "too late"
        except NO_LOGIN as error:
            cause = f"{str(error).rstrip('.')}."
            return None
        except TimerGoneError:
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

"""Begins and ends the count of a matrix on a switch server, and reads it: arm, read, remove.

The table is under the rollback timer all the time: whoever counts renews it, and a server that
hears no more of a controller removes the table by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from farswitch.connections.shell.base import Shell
from farswitch.errors import FarswitchError
from farswitch.firewall import nft
from farswitch.matrix.reading import MatrixReading, parse
from farswitch.matrix.table import FAMILY, MatrixChange, MatrixTable, plan, removal
from farswitch.model.owner import Owner
from farswitch.remote import shell_command
from farswitch.rollback import timer as rollback
from farswitch.rollback.at_logout import when_login_ends

SECONDS = 60
"""After which a server removes a table that nobody counts with any more."""
RENEWAL = 20.0
"""Seconds between two renewals of the timer."""


class MatrixGoneError(FarswitchError):
    """What was to be read is not there."""

    def __init__(self, server: str, owner: Owner) -> None:
        super().__init__(
            f"Nothing counts at the ports of cluster '{owner.cluster}' on '{server}' any more: "
            f"somebody removed table '{FAMILY} {owner.guard_table}', or the server did, since it "
            f"had heard nothing for {SECONDS} s.",
            hint="Run it again.",
        )


class MatrixBusyError(FarswitchError):
    """Somebody else counts at the ports of the same cluster."""

    def __init__(self, server: str, owner: Owner) -> None:
        super().__init__(
            f"The matrix of cluster '{owner.cluster}' is being counted on '{server}' already.",
            hint="Wait for the end of that count. One whose controller was cut off ends by itself, "
            f"within {SECONDS} s.",
        )


def observe(shell: Shell, owner: Owner) -> list[nft.Json]:
    """Return the table as nft lists it; nothing where there is none."""
    argv = ("nft", "-j", "list", "table", FAMILY, owner.guard_table)
    done = shell.run(argv, check=False)
    return nft.objects(done.stdout) if done.status == 0 else []


def refuse_if_counted(shell: Shell, owner: Owner) -> None:
    """Refuse to count beside somebody else, whose end would be ours.

    Raises:
        MatrixBusyError: Somebody does.
        ForeignObjectError: A table of our name lacks our mark.
    """
    if plan_here(shell, None, owner):
        raise MatrixBusyError(shell.host, owner)


def check_counts(shell: Shell, want: MatrixTable, owner: Owner) -> None:
    """Refuse to end a count that does not go on any more: another one may stand in its place.

    Raises:
        MatrixGoneError: There is no table, or that of another count.
    """
    if not nft.marked(observe(shell, owner), want.mark(owner)):
        raise MatrixGoneError(shell.host, owner)


def arm(shell: Shell, want: MatrixTable, owner: Owner, change: MatrixChange | None) -> None:
    """Make the change of a plan, if there is one, under a new timer; earlier ones end.

    Raises:
        FarswitchError: The server's nft refused it.
    """
    renew(shell, owner)
    if change is None:
        return
    done = shell.run(("nft", "-f", "-"), stdin=change.text, check=False)
    if done.status != 0:
        if not observe(shell, owner):
            end_timers(shell, owner)
        raise FarswitchError(
            f"nft on '{shell.host}' refused to count at {len(want.ports)} ports: "
            f"{done.stderr.strip()}.",
            hint="nft 0.9.5 or newer, and Linux 5.7 or newer, are needed, and no other count of "
            "this cluster at the same time.",
        )


def renew(shell: Shell, owner: Owner) -> None:
    """Have the server wait for another `SECONDS` from now on."""
    name = rollback.name_of(rollback.MATRIX, owner.cluster)
    earlier = rollback.list_timers(shell, name)
    rollback.start(shell, name, removal(owner), SECONDS)
    for timer in earlier.pending:
        rollback.confirm(shell, rollback.RollbackTimer(timer, SECONDS))


def read(shell: Shell, want: MatrixTable, owner: Owner) -> MatrixReading:
    """Read what was counted so far, in one round trip.

    Raises:
        MatrixGoneError: There is no table.
    """
    argv = shell_command("matrix_read", owner.guard_table, "|".join(want.ports))
    done = shell.run(argv, check=False)
    if done.status != 0:
        raise MatrixGoneError(shell.host, owner)
    head, _, listed = done.stdout.partition("\n---\n")
    return parse(head, nft.objects(listed))


def remove(shell: Shell, owner: Owner, change: MatrixChange | None) -> None:
    """Make the change of a plan, if there is one, and end the timers: nothing is left."""
    if change is not None:
        shell.run(("sh", "-c", removal(owner)))
    end_timers(shell, owner)


def end_timers(shell: Shell, owner: Owner) -> None:
    """Stop the timers of an owner's matrix."""
    rollback.confirm_all(shell, rollback.name_of(rollback.MATRIX, owner.cluster))


@contextmanager
def removed_at_logout(shell: Shell, want: MatrixTable, owner: Owner) -> Iterator[None]:
    """Have the server remove this table when our login to it ends, and at the block's end.

    Its timer then has nothing left to do.
    """
    over = rollback.confirmation(rollback.name_of(rollback.MATRIX, owner.cluster))
    with when_login_ends(shell, ("sh", "-c", removal(owner, want.mark(owner), over))):
        yield


def plan_here(shell: Shell, want: MatrixTable | None, owner: Owner) -> MatrixChange | None:
    """Return what is to be done on a server."""
    return plan(observe(shell, owner), want, owner, server=shell.host)

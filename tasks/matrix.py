"""What each guest sent to each, counted at the ports of a server's switch."""

from __future__ import annotations

from collections.abc import Sequence

from nornir.core.task import Result, Task

from farswitch.connections.access import shell
from farswitch.matrix.count import arm, check_counts, plan_here, read, remove
from farswitch.matrix.table import wanted_matrix
from farswitch.model.owner import Owner
from farswitch.model.switch import SwitchPort


def matrix(
    task: Task,
    owner: Owner,
    ports: Sequence[SwitchPort] = (),
    *,
    token: str = "",
    present: bool = True,
    dry_run: bool | None = None,
) -> Result:
    """Converge the table that counts, and read it: the difference of two readings is a matrix.

    Each call that leaves it there gives the server another `farswitch.matrix.count.SECONDS`, after
    which it removes the table by itself.

    Args:
        task: The Nornir task of the server with the switch.
        owner: Whose ports are counted at.
        ports: All ports of the switch. What was counted is read where they are given.
        token: Of a count that must not go on with the table of another one.
        present: False: read it a last time, and remove it.
        dry_run: True: report the change, make none. None: as the run says.

    Returns:
        A result whose `result` is a `MatrixReading`, or None where there is nothing to read.

    Raises:
        ForeignObjectError: A table of our name lacks our mark.
        MatrixGoneError: The count of the token does not go on any more; what is there stays.
        FarswitchError: The server's nft refused the table.
    """
    login, dry = shell(task), task.is_dry_run(dry_run)
    want = wanted_matrix(ports, token)
    change = plan_here(login, want if present else None, owner)
    if token and not (present or dry):
        check_counts(login, want, owner)
    if present and not dry:
        arm(login, want, owner, change)
    there = change is None if present else change is not None
    reading = read(login, want, owner) if ports and (there or (present and not dry)) else None
    if not (present or dry):
        remove(login, owner, change)
    return Result(
        host=task.host,
        changed=change is not None,
        diff=str(change or ""),
        count=int(change is not None),
        result=reading,
    )

"""The guard: nft tables of our own that close every way around the switch.

The tables do not outlive a reboot, and neither do the tunnels: the next build makes both.
"""

from __future__ import annotations

from nornir.core.task import Result, Task

from farswitch.connections import access
from farswitch.firewall.guard import GuardTables, converge
from farswitch.firewall.guard_wanted import GuardWanted
from farswitch.model.owner import Owner
from farswitch.rollback.confirmed_change import confirm_earlier, with_notes


def guard(
    task: Task,
    owner: Owner,
    want: GuardWanted | None = None,
    *,
    have: GuardTables | None = None,
    present: bool = True,
    dry_run: bool | None = None,
) -> Result:
    """Converge the guard of one server.

    Args:
        task: Nornir's task on a server.
        owner: The cluster that is guarded.
        want: What the guard holds apart; needed where it is to be present.
        have: The tables as `farswitch.firewall.guard.observe` read them; read here where they are
            not given.
        present: False removes the tables.
        dry_run: Change nothing; None takes Nornir's setting.

    Returns:
        `count` is of tables that were (or would be) replaced or removed.

    Raises:
        ForeignObjectError: A table of our name lacks our mark.
        FarswitchError: The server's nft refused the rules.
    """
    if present and want is None:
        raise ValueError("A guard that is to be present has to be described.")
    shell, dry = access.shell(task), task.is_dry_run(dry_run)
    undone = () if dry else confirm_earlier(shell, owner.cluster, last=not present)
    with with_notes(undone):
        changes = converge(shell, owner, want if present else None, have=have, dry_run=dry)
    count, diff = len(changes), "\n".join(map(str, changes))
    return Result(
        host=task.host, changed=count > 0, diff=diff, result=None, count=count,
        warnings=list(undone),
    )  # fmt: skip

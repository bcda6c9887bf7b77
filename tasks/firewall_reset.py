"""The servers' firewalls: emptied, opened narrowly, or only looked at."""

from __future__ import annotations

from collections.abc import Sequence

from nornir.core.task import Result, Task

from farswitch.connections import access
from farswitch.firewall.modes import Done, FirewallInTheWayError, converge
from farswitch.firewall.obstacles import FirewallMode
from farswitch.firewall.ruleset import Ruleset
from farswitch.firewall.traffic import Flow
from farswitch.lock.locks import shared_settings
from farswitch.model.owner import Owner
from farswitch.rollback.confirmed_change import confirm_earlier, confirm_earlier_shared, with_notes


def firewall_reset(
    task: Task,
    owner: Owner,
    mode: FirewallMode = "reset",
    flows: Sequence[Flow] = (),
    *,
    have: Ruleset | None = None,
    present: bool = True,
    dry_run: bool | None = None,
) -> Result:
    """Converge the firewall of one server by a mode.

    Args:
        task: Nornir's task on a server.
        owner: The cluster that needs it.
        mode: See docs/firewall.md.
        flows: What has to pass.
        have: The rules as they were read; read here where they are not given.
        present: False restores what was taken away and removes what was added.
        dry_run: Change nothing; None takes Nornir's setting.

    Returns:
        `count` is of rules and policies that were (or would be) changed.

    Raises:
        FirewallInTheWayError: Something that the mode leaves would drop a flow, or somebody else
            owns a table that `reset` would have to empty.
        RestoreError: Rules could not be restored as they are, so none was taken away.
        NewerDocumentError: A newer release wrote the journal.
    """
    shell, dry = access.shell(task), task.is_dry_run(dry_run)
    wanted = mode if present else None
    with with_notes(undone := () if dry else confirm_earlier(shell, owner.cluster)):
        try:
            done = converge(shell, owner, wanted, flows, have=have, dry_run=True)
        except FirewallInTheWayError:
            if dry:
                raise
            done = Done(settled=False)  # what is to be restored comes first
        if not dry and (done.changes or not done.settled):
            with shared_settings(shell):  # somebody else may have changed something until now
                confirm_earlier_shared(shell)
                done = converge(shell, owner, wanted, flows)
    count, notes = len(done.changes), [f"{task.host.name}: {note}" for note in done.notes]
    return Result(
        host=task.host, changed=count > 0, diff="\n".join(done.changes), result=None, count=count,
        notes=notes, warnings=[*undone, *done.lost],
    )  # fmt: skip

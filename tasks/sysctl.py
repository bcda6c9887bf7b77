"""The kernel settings that the data path needs: now, and after a reboot.

`br_netfilter` may not be loaded, and then its keys do not exist. That is no error: the file covers
them, because a udev rule applies it when the module comes (the way of sysctl.d(5)).
"""

from __future__ import annotations

from nornir.core.task import Result, Task

from farswitch.connections import access
from farswitch.lock.locks import shared_settings
from farswitch.model.owner import Owner
from farswitch.state.journal import tidy
from farswitch.sysctl.converge import converge, writes
from farswitch.sysctl.plan import SysctlState


def sysctl(
    task: Task,
    owner: Owner,
    *,
    have: SysctlState | None = None,
    present: bool = True,
    dry_run: bool | None = None,
) -> Result:
    """Converge the kernel settings of one server, or restore what they were.

    Args:
        task: Nornir's task on a server.
        owner: The cluster that needs the settings.
        have: The settings as they were read; read here where it is not given.
        present: False restores what no other cluster needs.
        dry_run: Change nothing; None takes Nornir's setting.

    Returns:
        `count` is of settings and files that were (or would be) changed.

    Raises:
        ForeignObjectError: A file of our name lacks our mark.
        FarswitchError: The kernel did not take a value.
        NewerDocumentError: A newer release wrote the journal.
    """
    shell, name, dry = access.shell(task), owner.cluster, task.is_dry_run(dry_run)
    plan = converge(shell, name, have=have, present=present, dry_run=True)
    if not dry and writes(plan):
        with shared_settings(shell):  # somebody else may have changed something until we had them
            plan = converge(shell, name, present=present)
    if not dry and not present and not plan.before.claims:
        with shared_settings(shell):
            tidy(shell)
    count, notes = len(plan.changes), [f"{task.host.name}: {note}" for note in plan.notes]
    return Result(
        host=task.host, changed=count > 0, diff="\n".join(plan.changes), result=None, count=count,
        notes=notes,
    )  # fmt: skip

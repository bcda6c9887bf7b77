"""The kernel settings that the data path needs: now, and after a reboot.

`br_netfilter` may not be loaded, and then its keys do not exist. That is no error: the file covers
them, because a udev rule applies it when the module comes (the way of sysctl.d(5)).
"""

from __future__ import annotations

from nornir.core.task import Result, Task

from farswitch.connections import access
from farswitch.lock.locks import shared_settings
from farswitch.model.cluster import Cluster
from farswitch.state.journal import tidy
from farswitch.sysctl.converge import converge, writes


def sysctl(
    task: Task, cluster: Cluster, *, present: bool = True, dry_run: bool | None = None
) -> Result:
    """Converge the kernel settings of one server, or give them back.

    Args:
        task: Nornir's task on a server.
        cluster: The cluster that needs the settings.
        present: False gives back what no other cluster needs.
        dry_run: True tells what would change; None takes Nornir's setting.

    Returns:
        The count of settings and files that were (or would be) changed.

    Raises:
        ForeignObjectError: A file of our name lacks our mark.
        FarswitchError: The kernel did not take a value.
    """
    shell, name = access.shell(task), cluster.name
    plan = converge(shell, name, present=present, dry_run=True)
    if not task.is_dry_run(dry_run) and writes(plan):
        with shared_settings(shell):  # somebody else may have changed something until we had them
            plan = converge(shell, name, present=present)
    if not task.is_dry_run(dry_run) and not present and not plan.before.claims:
        tidy(shell)
    lines = (*plan.changes, *plan.notes)
    count = len(plan.changes)
    return Result(host=task.host, changed=count > 0, diff="\n".join(lines), result=count)

"""The guard: nft tables of our own that close every way around the switch.

The tables do not outlive a reboot, and neither do the tunnels: the next build makes both.
"""

from __future__ import annotations

from nornir.core.task import Result, Task

from farswitch.connections import access
from farswitch.firewall.guard import converge
from farswitch.model.cluster import Cluster
from farswitch.rollback.confirmed import carrying, settle
from farswitch.site.nornir_data import server_of


def guard(
    task: Task,
    cluster: Cluster,
    *,
    device: str,
    present: bool = True,
    dry_run: bool | None = None,
) -> Result:
    """Converge the guard of one server.

    Args:
        task: Nornir's task on a server.
        cluster: The cluster that is guarded.
        device: The server's interface on the underlay; unused at removal.
        present: False removes the tables.
        dry_run: True tells what would change; None takes Nornir's setting.

    Returns:
        The count of tables that were (or would be) replaced or removed.

    Raises:
        ForeignObjectError: A table of our name lacks our mark.
        FarswitchError: The server's nft refused the rules.
    """
    shell, server = access.shell(task), server_of(task.host)
    dry = task.is_dry_run(dry_run)
    with carrying(undone := () if dry else settle(shell, cluster, last=not present)):
        changes = converge(shell, cluster, server, device, present=present, dry_run=dry)
    lines, count = "\n".join(map(str, changes)), len(changes)
    return Result(
        host=task.host, changed=count > 0, diff=lines, result=count, warnings=list(undone)
    )

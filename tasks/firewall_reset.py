"""The servers' firewalls: emptied, opened narrowly, or only looked at."""

from __future__ import annotations

from nornir.core.task import Result, Task

from farswitch.connections import access
from farswitch.firewall.guest import check_guest
from farswitch.firewall.modes import Done, FirewallInTheWayError, converge
from farswitch.lock.locks import shared_settings
from farswitch.model.cluster import Cluster
from farswitch.rollback.confirmed import carrying, settle, settle_shared
from farswitch.site.nornir_data import server_of


def firewall_reset(
    task: Task,
    cluster: Cluster,
    *,
    device: str = "",
    present: bool = True,
    dry_run: bool | None = None,
) -> Result:
    """Converge the firewall of one server by the site's mode; look at the one of a guest.

    Args:
        task: Nornir's task on a server or a guest.
        cluster: The cluster, with the mode in its settings.
        device: The server's interface on the underlay; empty for any.
        present: False gives back what was taken away and takes back what was added.
        dry_run: True tells what would change; None takes Nornir's setting.

    Returns:
        The count of rules and policies that were (or would be) changed.

    Raises:
        FirewallInTheWayError: Mode `check`: something would drop the cluster's traffic.
        GuestFirewallError: The guest filters.
        RestoreError: Rules could not be given back as they are, so none was taken away.
    """
    shell, dry = access.shell(task), task.is_dry_run(dry_run)
    if "server" not in task.host:
        return Result(host=task.host, changed=False, result=check_guest(shell) if present else 0)
    server = server_of(task.host)
    with carrying(undone := () if dry else settle(shell, cluster)):
        try:
            done = converge(shell, cluster, server, device=device, present=present, dry_run=True)
        except FirewallInTheWayError:
            if dry:
                raise
            done = Done(settled=False)  # what is to be given back comes first
        if not dry and (done.changes or not done.settled):
            with shared_settings(shell):  # somebody else may have changed something until now
                settle_shared(shell)
                done = converge(shell, cluster, server, device=device, present=present)
    lines, count = "\n".join((*done.changes, *done.notes)), len(done.changes)
    told = [*undone, *done.lost]
    return Result(host=task.host, changed=count > 0, diff=lines, result=count, warnings=told)

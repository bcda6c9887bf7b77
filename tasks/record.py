"""What a cluster's servers remember of it: how many nodes it has, and its keys.

The record lies on the head's hypervisor, readable by root alone, so that any controller can go on
with the cluster. Whoever is root there owns the guests' disks anyway.
"""

from __future__ import annotations

from nornir.core.task import Result, Task

from farswitch.connections.access import shell
from farswitch.connections.shell.protocol import Shell
from farswitch.model.cluster import Cluster
from farswitch.site.nornir_data import KeyHolder
from farswitch.state.record import FOLDER, RECORD, complete, path_of, read, render


def record(
    task: Task,
    cluster: Cluster,
    holder: KeyHolder,
    site: int = 0,
    mtu: int = 0,
    *,
    present: bool = True,
    dry_run: bool | None = None,
) -> Result:
    """Converge the cluster's record on the head's hypervisor and hand its keys to the connections.

    Args:
        task: Runs on the head's hypervisor.
        cluster: Whose record.
        holder: Gets the keys; a dry run without a record leaves it empty.
        site: How many guests the site names.
        mtu: Of the data network, in bytes.
        present: False removes the record.
        dry_run: Only tell.
    """
    login = shell(task)
    if not present:
        return _remove(task, login, cluster.name, dry=task.is_dry_run(dry_run))
    have = read(login, cluster.name)
    want = complete(have, cluster, site, mtu)
    if want != have and not task.is_dry_run(dry_run):
        login.write(path_of(cluster.name), render(want), mode=0o600)
    if have is not None or not task.is_dry_run(dry_run):
        holder.keys = want.guest_keys()
        task.host.data[RECORD] = want
    diff = "" if want == have else f"+ record of {want.nodes} nodes"
    return Result(host=task.host, changed=want != have, result=int(want != have), diff=diff)


def _remove(task: Task, login: Shell, cluster_name: str, *, dry: bool) -> Result:
    """Remove the record also where it is damaged, and the folders that are empty then."""
    path = path_of(cluster_name)
    there = login.facts([path])[path] is not None
    if not dry:
        login.remove(path)
        login.run(["rmdir", "--ignore-fail-on-non-empty", "--parents", FOLDER], check=False)
    diff = f"- {path}" if there else ""
    return Result(host=task.host, changed=there, result=int(there), diff=diff)

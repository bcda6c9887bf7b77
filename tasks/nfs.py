"""The share: exported by the head to the data subnet, mounted by the others at first access.

The units are our own files, not lines of /etc/fstab, which belongs to the image. An automount needs
no order between the head's boot and the others'.
"""

from __future__ import annotations

from nornir.core.task import Result, Task

from farswitch.connections.access import shell
from farswitch.connections.shell.protocol import Shell
from farswitch.errors import FarswitchError
from farswitch.guests.converge_files import apply, observe, plan, render
from farswitch.guests.files.nfs import units, wanted
from farswitch.guests.nfs_exports import LOOK, faults, parse, strangers
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest
from farswitch.site.nornir_data import guest_of


def nfs(
    task: Task, cluster: Cluster, *, present: bool = True, dry_run: bool | None = None
) -> Result:
    """Converge the share of one guest: its files and the unit that serves or mounts it.

    Args:
        task: Runs on a guest.
        cluster: Whose head exports.
        present: False does nothing: a guest without its cluster is removed as a whole.
        dry_run: Only tell.

    Raises:
        FarswitchError: The image has no NFS, or the unit does not start.
    """
    if not present:
        return Result(host=task.host)
    guest, login = guest_of(task.host), shell(task)
    want = wanted(cluster, guest)
    changes = plan(observe(task, want), want)
    lacks = [f"unit {unit}" for unit in units(cluster, guest) if not _runs(login, unit)]
    if guest == cluster.head:
        lacks += _mends(login, cluster)
    if not task.is_dry_run(dry_run):
        apply(login, changes)
        if changes or lacks:
            _restart(login, cluster, guest, changed=bool(changes))
    diff = "\n".join(filter(None, (render(changes), *(f"+ {what}" for what in lacks))))
    count = len(changes) + len(lacks)
    return Result(host=task.host, changed=bool(count), diff=diff, result=count)


def _runs(login: Shell, unit: str) -> bool:
    active = login.run(["systemctl", "is-active", unit], check=False)
    return active.stdout.strip() == "active"


def _mends(login: Shell, cluster: Cluster) -> list[str]:
    """Return what is wrong with folder and export now, whatever the files say."""
    look = login.run(["sh", "-c", LOOK, "exports", cluster.settings.share], check=False)
    table = parse(look.stdout)
    return [f"mend: {one}" for one in (*faults(cluster, table), *strangers(cluster, table))]


def _restart(login: Shell, cluster: Cluster, guest: Guest, *, changed: bool) -> None:
    login.run(["systemctl", "daemon-reload"])
    if guest == cluster.head:
        login.run(["systemd-tmpfiles", "--create", "/etc/tmpfiles.d/farswitch.conf"])
    for unit in units(cluster, guest):
        started = login.run(["systemctl", "enable", "--now", unit], timeout=60, check=False)
        if started.status != 0:
            said = started.stderr.strip()
            raise FarswitchError(
                f"The unit '{unit}' of guest '{guest.name}' does not start: {said}",
                hint="The image needs nfs-kernel-server and nfs-common.",
            )
        if changed and guest != cluster.head:
            login.run(["systemctl", "restart", unit], timeout=60)
    if guest == cluster.head:
        login.run(["exportfs", "-ra"])

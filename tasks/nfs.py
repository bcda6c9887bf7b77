"""The share: exported by the head to the data subnet, mounted by the others at first access.

The units are our own files, not lines of /etc/fstab, which belongs to the image. An automount needs
no order between the head's boot and the others'.
"""

from __future__ import annotations

from nornir.core.task import Result, Task

from connections.access import shell
from connections.command import Shell
from image.seed import File
from inventory.errors import FarswitchError
from inventory.hosts import guest_of
from inventory.model import Cluster, Guest
from tasks.exports import LOOK, faults, parse, strangers
from tasks.files import apply, observe, plan, render

UNITS = "/etc/systemd/system"
SERVER_UNIT = "nfs-server.service"
MOUNT_TIMEOUT = 90
"""Seconds that the first access waits for the head: it may still be booting."""


def unit_name(path: str, kind: str) -> str:
    """Return the unit of a mount point, escaped as systemd.unit(5) says."""
    escaped = "-".join(
        "".join(c if c.isalnum() or c in ":_." else f"\\x{ord(c):02x}" for c in part)
        for part in path.strip("/").split("/")
    )
    return f"{escaped}.{kind}"


def units(cluster: Cluster, guest: Guest) -> tuple[str, ...]:
    """Return the systemd units that run on the guest for the share."""
    if guest == cluster.head:
        return (SERVER_UNIT,)
    return (unit_name(cluster.settings.share, "automount"),)


def wanted(cluster: Cluster, guest: Guest) -> tuple[File, ...]:
    """Return the files of the head or of one that mounts."""
    return _head_files(cluster) if guest == cluster.head else _mount_files(cluster)


def _head_files(cluster: Cluster) -> tuple[File, ...]:
    settings = cluster.settings
    export = f"{settings.share} {settings.data_network}(rw,sync,root_squash,no_subtree_check)"
    folder = f"d {settings.share} 0755 {settings.user} {settings.user} -"
    return (
        _root_file("/etc/exports", cluster, export),
        _root_file("/etc/tmpfiles.d/farswitch.conf", cluster, folder),
    )


def _mount_files(cluster: Cluster) -> tuple[File, ...]:
    share = cluster.settings.share
    mount = (
        "[Unit]\nDescription=Share of the head\nAfter=network.target\n"
        f"[Mount]\nWhat={cluster.head.data_address.ip}:{share}\nWhere={share}\nType=nfs4\n"
        f"Options=vers=4.2,noatime,nosuid,nodev\nTimeoutSec={MOUNT_TIMEOUT}"
    )
    automount = (
        f"[Unit]\nDescription=Share of the head, mounted at first access\n"
        f"[Automount]\nWhere={share}\n[Install]\nWantedBy=multi-user.target"
    )
    return (
        _root_file(f"{UNITS}/{unit_name(share, 'mount')}", cluster, mount),
        _root_file(f"{UNITS}/{unit_name(share, 'automount')}", cluster, automount),
    )


def _root_file(path: str, cluster: Cluster, body: str) -> File:
    return File(path, f"# {cluster.mark}\n{body}\n".encode(), mode=0o644, owner="root:root")


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

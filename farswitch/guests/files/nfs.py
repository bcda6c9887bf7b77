"""The head's exports and the other guests' mount units."""

from __future__ import annotations

from farswitch.model.cluster import Cluster
from farswitch.model.guest_file import File
from farswitch.model.machines import Guest

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
    return File(path, f"# {cluster.owner.mark}\n{body}\n".encode(), mode=0o644, owner="root:root")

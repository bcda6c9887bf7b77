"""The head's exports and the other guests' mount units."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from farswitch.model.cluster import Cluster
from farswitch.model.guest_file import File
from farswitch.model.machines import Guest
from farswitch.model.owner import Owner
from farswitch.templates import render_template

UNITS = "/etc/systemd/system"
TMPFILES = "/etc/tmpfiles.d/farswitch.conf"
SERVER_UNIT = "nfs-server.service"
MOUNT_TIMEOUT = 90
"""Seconds that the first access waits for the head: it may still be booting."""
MOUNT_OPTIONS = ("vers=4.2", "noatime", "nosuid", "nodev", "lookupcache=none", "actimeo=1")
"""A path is looked up on the head each time: what another node made, removed or renamed is seen at
once. What a program knows of an open file, as its size, is at most 1 s old (nfs(5))."""
MOUNTED_WITH = frozenset(
    {*MOUNT_OPTIONS[:-1], "acregmin=1", "acregmax=1", "acdirmin=1", "acdirmax=1"}
)
"""The same as the kernel shows them: it spells `actimeo` out."""


def unit_name(path: str, kind: str) -> str:
    """Return the unit of a mount point, escaped as systemd.unit(5) says."""
    escaped = "-".join(
        "".join(c if c.isalnum() or c in ":_." else f"\\x{ord(c):02x}" for c in part)
        for part in path.strip("/").split("/")
    )
    return f"{escaped}.{kind}"


@dataclass(frozen=True, slots=True)
class Share:
    """The folder that all guests share, as one of them has it.

    Attributes:
        path: Where it is, on every guest.
        user: Who owns it.
        network: Whose addresses may mount it.
        server: The address of the guest that exports it.
        exports: Whether this guest is that one; else it mounts.
    """

    path: str
    user: str
    network: IPv4Network
    server: IPv4Address
    exports: bool = False

    @property
    def units(self) -> tuple[str, ...]:
        """The systemd units that run on the guest for it."""
        return (SERVER_UNIT,) if self.exports else (unit_name(self.path, "automount"),)


def wanted_share(cluster: Cluster, guest: Guest) -> Share:
    """Return the cluster's share as the guest has it: the head exports."""
    settings, head = cluster.settings, cluster.head
    return Share(
        settings.share, settings.user, settings.data_network, head.data_address.ip, guest == head
    )


def share_files(share: Share, owner: Owner) -> tuple[File, ...]:
    """Return the files of the guest that exports or of one that mounts."""
    if share.exports:
        templates = {"/etc/exports": "exports", TMPFILES: "share.tmpfiles"}
    else:
        templates = {
            f"{UNITS}/{unit_name(share.path, kind)}": f"share.{kind}"
            for kind in ("mount", "automount")
        }
    return tuple(_file(path, name, share, owner) for path, name in templates.items())


def _file(path: str, name: str, share: Share, owner: Owner) -> File:
    content = render_template(
        f"guests/files/{name}.j2",
        share=share,
        owner=owner,
        options=MOUNT_OPTIONS,
        mount_timeout=MOUNT_TIMEOUT,
    )
    return File(path, content.encode())

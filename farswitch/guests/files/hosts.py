"""/etc/hosts of a guest."""

from __future__ import annotations

from farswitch.model.cluster import Cluster
from farswitch.model.guest_file import File

PATH = "/etc/hosts"


def render(cluster: Cluster) -> bytes:
    """Return the content of /etc/hosts, the same on every guest."""
    lines = [
        f"# {cluster.owner.mark}",
        "127.0.0.1 localhost",
        "::1 localhost ip6-localhost ip6-loopback",
        *(f"{guest.data_address.ip} {guest.name}" for guest in cluster.guests),
    ]
    return "\n".join(lines).encode() + b"\n"


def wanted(cluster: Cluster) -> tuple[File, ...]:
    """Return the file that every guest gets."""
    return (File(PATH, render(cluster), mode=0o644, owner="root:root"),)

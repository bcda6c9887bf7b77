"""Keys, known hosts and ssh's configuration on a guest."""

from __future__ import annotations

from farswitch.image.seed import authorized_keys
from farswitch.model.cluster import Cluster
from farswitch.model.guest_file import File
from farswitch.state.record import Record

CLIENT = "/etc/ssh/ssh_config.d/farswitch.conf"
KEY_EXCHANGE = "^curve25519-sha256"
"""Asked for first; all others stay allowed. The default, sntrup761x25519, takes an emulated guest
0.65 s more for each login between guests, and what it keeps from later computers, MPI's payload
and the share show on the same network in the clear."""


def known_hosts(cluster: Cluster, record: Record) -> bytes:
    """Return ssh_known_hosts: each guest's key under its name and both of its addresses."""
    lines = [f"# {cluster.owner.mark}"]
    for guest in cluster.guests:
        names = f"{guest.name},{guest.data_address.ip},{guest.management_address.ip}"
        lines.append(f"{names} {record.hosts[guest.name].public.strip()}")
    return "\n".join(lines).encode() + b"\n"


def public_files(cluster: Cluster, record: Record) -> tuple[File, ...]:
    """Return what ssh knows of the other guests: with `logins` all that may lie in a seed."""
    return (
        File("/etc/ssh/ssh_known_hosts", known_hosts(cluster, record)),
        File(CLIENT, client(cluster)),
    )


def client(cluster: Cluster) -> bytes:
    """Return the configuration of ssh from guest to guest."""
    names = " ".join(f"{guest.name} {guest.data_address.ip}" for guest in cluster.guests)
    return f"# {cluster.owner.mark}\nHost {names}\n    KexAlgorithms {KEY_EXCHANGE}\n".encode()


def logins(record: Record) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the keys that root lets in, and those that the cluster's user lets in."""
    controller, own = record.controller.public.strip(), record.user.public.strip()
    return (controller,), (controller, own)


def login_files(cluster: Cluster, record: Record) -> tuple[File, ...]:
    """Return both authorized_keys; a seed makes them from the same keys."""
    user = cluster.settings.user
    root_keys, user_keys = logins(record)
    return (
        File("/root/.ssh/authorized_keys", authorized_keys(root_keys), mode=0o600),
        File(
            f"/home/{user}/.ssh/authorized_keys",
            authorized_keys(user_keys),
            mode=0o600,
            owner=f"{user}:{user}",
        ),
    )


def secret_files(cluster: Cluster, record: Record) -> tuple[File, ...]:
    """Return what is given over ssh after boot, never through a seed: the users' private key."""
    user = cluster.settings.user
    key = record.user.private.encode()
    return (File(f"/home/{user}/.ssh/id_ed25519", key, mode=0o600, owner=f"{user}:{user}"),)

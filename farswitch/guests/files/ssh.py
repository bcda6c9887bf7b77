"""Keys, known hosts and ssh's configuration on a guest."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address

from farswitch.connections.shell.keys import KeyPair
from farswitch.guests.files.render_once import render_once
from farswitch.image.seed import authorized_keys
from farswitch.model.cluster import Cluster
from farswitch.model.guest_file import File
from farswitch.model.owner import Owner
from farswitch.state.record import Record

CLIENT = "/etc/ssh/ssh_config.d/farswitch.conf"
KNOWN_HOSTS = "/etc/ssh/ssh_known_hosts"
ROOT_LOGINS = "/root/.ssh/authorized_keys"
KEY_EXCHANGE = "^curve25519-sha256"
"""Asked for first; all others stay allowed. The default, sntrup761x25519, takes an emulated guest
0.65 s more for each login between guests, and what it keeps from later computers, MPI's payload
and the share show on the same network in the clear."""


@dataclass(frozen=True, slots=True)
class KnownHost:
    """A guest as the others know it: name, both addresses, and its host key's public line."""

    name: str
    data: IPv4Address
    management: IPv4Address
    key: str


@dataclass(frozen=True, slots=True)
class SshAccess:
    """Who may log in to a guest and which hosts it knows.

    Attributes:
        user: The account that runs MPI jobs, with the same key on every guest.
        controller_key: The public line that root and the user let in.
        known: Every guest of the cluster.
    """

    user: str
    user_key: KeyPair = field(repr=False)
    controller_key: str
    known: tuple[KnownHost, ...]

    @property
    def root_keys(self) -> tuple[str, ...]:
        """The keys that root lets in."""
        return (self.controller_key,)

    @property
    def user_keys(self) -> tuple[str, ...]:
        """The keys that the user lets in."""
        return (self.controller_key, self.user_key.public.strip())


def wanted_access(cluster: Cluster, record: Record) -> SshAccess:
    """Return what every guest of the cluster gets."""
    return SshAccess(
        user=cluster.settings.user,
        user_key=record.user,
        controller_key=record.controller.public.strip(),
        known=tuple(
            KnownHost(
                guest.name,
                guest.data_address.ip,
                guest.management_address.ip,
                record.hosts[guest.name].public.strip(),
            )
            for guest in cluster.guests
        ),
    )


def known_hosts(access: SshAccess, owner: Owner) -> File:
    """Return ssh_known_hosts: each guest's key under its name and both of its addresses."""
    lines = [f"{guest.name},{guest.data},{guest.management} {guest.key}" for guest in access.known]
    return File.marked(KNOWN_HOSTS, owner.mark, "\n".join(lines))


def client(access: SshAccess, owner: Owner) -> File:
    """Return the configuration of ssh from guest to guest."""
    names = " ".join(f"{guest.name} {guest.data}" for guest in access.known)
    return File.marked(CLIENT, owner.mark, f"Host {names}\n    KexAlgorithms {KEY_EXCHANGE}")


@render_once
def public_files(access: SshAccess, owner: Owner) -> tuple[File, ...]:
    """Return what ssh knows of the other guests: with the keys let in, all that a seed may have."""
    return (known_hosts(access, owner), client(access, owner))


def login_files(access: SshAccess) -> tuple[File, ...]:
    """Return both authorized_keys; a seed makes them from the same keys."""
    return (
        File(ROOT_LOGINS, authorized_keys(access.root_keys), mode=0o600),
        _users_file(access, "authorized_keys", authorized_keys(access.user_keys)),
    )


def secret_files(access: SshAccess) -> tuple[File, ...]:
    """Return what is given over ssh after boot, never through a seed: the user's private key."""
    return (_users_file(access, "id_ed25519", access.user_key.private.encode()),)


def _users_file(access: SshAccess, name: str, content: bytes) -> File:
    user = access.user
    return File(f"/home/{user}/.ssh/{name}", content, mode=0o600, owner=f"{user}:{user}")

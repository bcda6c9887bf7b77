"""How a person gets into the guests: configuration, key and known hosts for `ssh -F`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from farswitch.guests.files.ssh import known_hosts, wanted_access
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Server
from farswitch.run.session import Session
from farswitch.site.state_folder import login_folder
from farswitch.state.record import Record


def configuration_of(cluster: str) -> Path:
    """Return the ssh configuration of this user's way into a cluster."""
    return login_folder(cluster) / "ssh_config"


def render(cluster: Cluster, folder: Path) -> str:
    """Return the ssh configuration of all hosts; guests are reached through their hypervisor."""
    return "\n".join([*_servers(cluster), *_guests(cluster, folder)]) + "\n"


def _servers(cluster: Cluster) -> Iterator[str]:
    for server in cluster.servers:
        yield f"Host {server.name}"
        yield from _indent(_server(server))


def _server(server: Server) -> Iterator[str]:
    yield f"HostName {server.hostname}"
    yield f"Port {server.port}"
    yield f"User {server.user}"
    yield "StrictHostKeyChecking yes"
    if server.key_file:
        yield f"IdentityFile {_quoted(server.key_file)}"
    if server.known_hosts:
        yield f"UserKnownHostsFile {_quoted(server.known_hosts)}"


def _guests(cluster: Cluster, folder: Path) -> Iterator[str]:
    for guest in cluster.guests:
        yield f"Host {guest.name}"
        yield from _indent(
            (
                f"HostName {guest.management_address.ip}",
                f"User {cluster.settings.user}",
                f"IdentityFile {_quoted(folder / 'id_ed25519')}",
                "IdentitiesOnly yes",
                f"UserKnownHostsFile {_quoted(folder / 'known_hosts')}",
                "StrictHostKeyChecking yes",
                *([] if _local(cluster, guest.hypervisor) else [f"ProxyJump {guest.hypervisor}"]),
            )
        )


def _local(cluster: Cluster, hypervisor: str) -> bool:
    return cluster.server(hypervisor).local


def _indent(lines: Iterator[str] | tuple[str, ...]) -> Iterator[str]:
    return (f"    {line}" for line in lines)


def _quoted(path: Path) -> str:
    return f'"{path}"'


def save(cluster: Cluster, record: Record) -> Path:
    """Write configuration, key and known hosts for this user alone; return the configuration."""
    folder = login_folder(cluster.name)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = folder / "id_ed25519"
    key.unlink(missing_ok=True)
    key.touch(mode=0o600)
    key.write_text(record.controller.private, encoding="ascii")
    known = known_hosts(wanted_access(cluster, record), cluster.owner)
    (folder / "known_hosts").write_bytes(known.content)
    configuration = configuration_of(cluster.name)
    configuration.write_text(render(cluster, folder), encoding="utf-8")
    return configuration


def write_login(session: Session) -> None:
    """Save the way in and print it, when the cluster has a record."""
    if session.record is None:
        return
    path = save(session.cluster, session.record)
    head = session.cluster.head.name
    session.note(f"\nGet in:  ssh -F {path} {head}")


def forget(cluster: str) -> None:
    """Remove this user's way into a cluster."""
    shutil.rmtree(login_folder(cluster), ignore_errors=True)

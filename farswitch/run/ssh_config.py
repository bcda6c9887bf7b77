"""How a person gets into the guests: configuration, key and known hosts for `ssh -F`."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

from farswitch.connections.shell.user_config import user_config
from farswitch.guests.files.ssh import known_hosts, wanted_access
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Server
from farswitch.run.guest_inventories import ansible, nornir_groups, nornir_hosts
from farswitch.run.local_files import replace_private
from farswitch.run.session import Session
from farswitch.site.state_folder import login_folder
from farswitch.state.record import Record


def configuration_of(cluster: str) -> Path:
    """Return the ssh configuration of this user's way into a cluster."""
    return login_folder(cluster) / "ssh_config"


def render(cluster: Cluster, folder: Path) -> str:
    """Return the ssh configuration of all hosts; guests are reached through their hypervisor."""
    return "\n".join([*_servers(cluster), *_guests(cluster, folder)]) + "\n"


def server_alias(cluster: Cluster, server: str) -> str:
    """Return a server's name that no other cluster's configuration has; a guest's is its domain."""
    return f"{cluster.name}-{server}"


def _servers(cluster: Cluster) -> Iterator[str]:
    for server in cluster.servers:
        names = [server_alias(cluster, server.name), server.name]
        # Included from the user's own, it would be what `ssh -G` resolves this name by.
        yield f"Host {' '.join(name for name in names if name != server.hostname)}"
        yield from _indent(_server(server))


def _server(server: Server) -> Iterator[str]:
    """Yield what holds for a server, the user's own file resolved: `ssh -F` reads no other."""
    config = user_config(server.hostname, server.port, server.user)
    yield f"HostName {config.hostname}"
    yield f"Port {config.port}"
    yield f"User {config.user}"
    yield "StrictHostKeyChecking yes"
    for path in (server.key_file,) if server.key_file else config.own_identity_files:
        yield f"IdentityFile {_quoted(path)}"
    files = (server.known_hosts,) if server.known_hosts else config.own_known_hosts
    if files is not None:
        yield f"UserKnownHostsFile {' '.join(map(_quoted, files)) or 'none'}"
        yield "GlobalKnownHostsFile none"
    if config.known_hosts_command and not server.known_hosts:
        yield f"KnownHostsCommand {config.known_hosts_command}"
    if config.revoked_host_keys:
        yield f"RevokedHostKeys {_quoted(config.revoked_host_keys)}"
    if config.identities_only:
        yield "IdentitiesOnly yes"
    if config.agent:
        yield f"IdentityAgent {_quoted(config.agent)}"
    if config.alias:
        yield f"HostKeyAlias {config.alias}"
    if config.proxy:
        yield f"ProxyCommand {shlex.join(config.proxy).replace('%', '%%')}"


def _guests(cluster: Cluster, folder: Path) -> Iterator[str]:
    for guest in cluster.guests:
        yield f"Host {guest.name} {guest.domain}"
        yield from _indent(
            (
                f"HostName {guest.management_address.ip}",
                f"User {cluster.settings.user}",
                f"IdentityFile {_quoted(folder / 'id_ed25519')}",
                "IdentitiesOnly yes",
                f"UserKnownHostsFile {_quoted(folder / 'known_hosts')}",
                "StrictHostKeyChecking yes",
                *_jump(cluster, guest.hypervisor),
            )
        )


def _jump(cluster: Cluster, hypervisor: str) -> list[str]:
    local = cluster.server(hypervisor).local
    return [] if local else [f"ProxyJump {server_alias(cluster, hypervisor)}"]


def _indent(lines: Iterator[str] | tuple[str, ...]) -> Iterator[str]:
    return (f"    {line}" for line in lines)


def _quoted(path: Path | str) -> str:
    return f'"{path}"'


def save(cluster: Cluster, record: Record) -> Path:
    """Write a user's way in, for them alone, where it is not there yet; return the configuration.

    With it go the inventories by which other tools take it.
    """
    folder = login_folder(cluster.name)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    known = known_hosts(wanted_access(cluster, record), cluster.owner)
    configuration = configuration_of(cluster.name)
    for path, text in {
        folder / "id_ed25519": record.controller.private,
        folder / "known_hosts": known.content.decode(),
        configuration: render(cluster, folder),
        folder / "ansible.yaml": ansible(cluster, configuration),
        folder / "hosts.yaml": nornir_hosts(cluster),
        folder / "groups.yaml": nornir_groups(cluster, configuration),
    }.items():
        replace_private(path, text)
    return configuration


def write_login(session: Session) -> None:
    """Save the way in and print it, when a run came as far as the boot of guests."""
    booted = not session.options.dry_run and "vm_boot" in session.recorder.rows
    if session.record is None or not booted:
        return
    path = save(session.cluster, session.record)
    head = session.cluster.head.name
    session.note(f"\nGet in:  ssh -F {path} {head}")


def forget(cluster: str) -> None:
    """Remove this user's way into a cluster."""
    shutil.rmtree(login_folder(cluster), ignore_errors=True)

"""The Nornir connection "shell": commands and files of a server or a guest."""

from __future__ import annotations

from typing import Any, cast

from nornir.core.configuration import Config
from nornir.core.inventory import Host

from farswitch.connections.fence import Fence
from farswitch.connections.open_once import opened
from farswitch.connections.shell.keys import GuestKeys
from farswitch.connections.shell.local import LocalShell
from farswitch.connections.shell.login import LOGIN_SECONDS, Target
from farswitch.connections.shell.protocol import (
    CommandError,
    CommandTimeoutError,
    Completed,
    ConnectionLostError,
    FileFacts,
    HostKeyError,
    OutputLimitError,
    PrivilegeError,
    Process,
    Shell,
    Stream,
    UnreachableError,
)
from farswitch.connections.shell.ssh import SshShell
from farswitch.errors import FarswitchError
from farswitch.model.machines import Guest, Server

SSH_PORT = 22

__all__ = [
    "CommandError",
    "CommandTimeoutError",
    "Completed",
    "ConnectionLostError",
    "FileFacts",
    "HostKeyError",
    "LocalShell",
    "OutputLimitError",
    "PrivilegeError",
    "Process",
    "Shell",
    "ShellConnection",
    "SshShell",
    "Stream",
    "guest_target",
    "server_target",
]


def server_target(server: Server) -> Target:
    """Return how a server is logged in to."""
    return Target(
        host=server.name,
        hostname=server.hostname,
        port=server.port,
        user=server.user,
        known_hosts=(server.known_hosts,) if server.known_hosts else (),
        key_file=server.key_file,
    )


def guest_target(guest: Guest, keys: GuestKeys | None, jump: Host, config: Config | None) -> Target:
    """Return how a guest is logged in to: as root, through its hypervisor's login.

    Raises:
        FarswitchError: The keys of the cluster were not filled in before.
    """
    address = str(guest.management_address.ip)
    if keys is None or guest.name not in keys.host_keys:
        raise FarswitchError(
            f"The keys of guest '{guest.name}' are not known.",
            hint="The cluster's record has them; make it: python -m workflows.build",
        )

    def through() -> Stream:
        shell = cast("Shell", opened(jump, "shell", config))
        try:
            return shell.channel(address, SSH_PORT, timeout=LOGIN_SECONDS)
        except UnreachableError as error:  # the guest is lost, and not the server
            cause = f"'{error.host}' does not reach {error.target}"
            raise ConnectionLostError(guest.name, cause) from error

    return Target(
        host=guest.name,
        hostname=address,
        pinned=keys.host_keys[guest.name],
        private_key=keys.private_key,
        jump=through,
    )


class ShellConnection:
    """Nornir's plugin; `.connection` is a `Shell`."""

    connection: Shell

    def open(
        self,
        *_: object,
        extras: dict[str, Any] | None = None,
        configuration: Config | None = None,
        **__: object,
    ) -> None:
        """Log in; a server that is this machine needs no login.

        Args:
            extras: {"server": Server}, or {"guest": Guest, "jump": Host, "keys": KeyHolder}; and
                {"fence": Fence} where a run has one.
            configuration: Nornir's.
        """
        given = extras or {}
        server = cast("Server | None", given.get("server"))
        fence = cast("Fence | None", given.get("fence"))
        if server is not None and server.local:
            self.connection = LocalShell(server.name, fence=fence)
            return
        if server is not None:
            target = server_target(server)
        else:
            target = guest_target(given["guest"], given["keys"].keys, given["jump"], configuration)
        shell = SshShell(target, fence)
        shell.open()
        self.connection = shell

    def close(self) -> None:
        """Log out."""
        self.connection.close()

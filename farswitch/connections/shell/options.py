"""A connection's options: from Nornir's parameters of a host, and the extras documented here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self, cast

from nornir.core.configuration import Config
from nornir.core.inventory import Host
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from farswitch.connections.fence import Fence
from farswitch.connections.open_once import opened
from farswitch.connections.shell.base import Shell
from farswitch.connections.shell.login import LOGIN_SECONDS
from farswitch.connections.shell.protocol import ConnectionLostError, Stream, UnreachableError
from farswitch.connections.shell.target import Target
from farswitch.connections.shell.user_config import user_config
from farswitch.errors import ConfigError, FarswitchError
from farswitch.home import user_name
from farswitch.pace import patient

SSH_PORT = 22


class LoginOptions(BaseModel):
    """What Nornir gives to a plugin: its own parameters, and the extras, which may be left out.

    Attributes:
        hostname: Nornir's parameter; needed unless the host is local.
        username: Nornir's parameter; by default as with ssh: its configuration, or our own user.
        password: Nornir's parameter; by default there is none.
        port: Nornir's parameter; by default as with ssh: its configuration, or 22.
        platform: Nornir's parameter; not used.
        configuration: Nornir's.
        name: What messages call the host; by default its hostname.
        local: The host is this machine: there is no login.
        key_file: The private key; by default the user's agent and default keys.
        known_hosts: The file with the host's key; by default the user's and the system's.
        host_key: The host's public key itself, as in `ssh-ed25519 AAAA…`; no file is read then.
        private_key: The private key itself, as OpenSSH writes it; comes before `key_file`.
        ssh_config: The file that is read in the place of ssh's own configuration, as by `ssh -F`.
        jump: The Nornir host through whose shell the login runs; an inventory plugin sets it.
        fence: Asked before each command of a run.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=True, hide_input_in_errors=True
    )

    hostname: str | None = None
    username: str | None = None
    password: str | None = Field(default=None, repr=False)
    port: int | None = Field(default=None, ge=1, le=65535)
    platform: str | None = None
    configuration: Config | None = Field(default=None, repr=False)
    name: str | None = None
    local: bool = False
    key_file: Path | None = None
    known_hosts: Path | None = None
    host_key: str | None = None
    private_key: str | None = Field(default=None, repr=False)
    ssh_config: Path | None = None
    jump: Host | None = None
    fence: Fence | None = None

    @classmethod
    def parse(cls, *, extras: Mapping[str, Any] | None = None, **nornir: Any) -> Self:
        """Check the options of a host's connection.

        Raises:
            ConfigError: One is not known or cannot be meant, or a login lacks its hostname.
        """
        given = {**nornir, **(extras or {})}
        name = given.get("name") or given.get("hostname") or "?"
        try:
            options = cls.model_validate(given)
        except ValidationError as error:
            details = (f"'{detail['loc'][0]}': {detail['msg']}" for detail in error.errors())
            wrong = "; ".join(details)
            raise ConfigError(
                f"The options of a connection to '{name}' are wrong: {wrong}.",
                hint=f"There are {', '.join(cls.model_fields)}; see docs/connections.md.",
            ) from None
        if not (options.hostname or options.local):
            raise ConfigError(
                f"The connection to '{name}' has no hostname.",
                hint="Give the host one in Nornir's inventory, or the extra `local: true`.",
            )
        return options

    @property
    def host(self) -> str:
        """What messages call the host."""
        return self.name or self.hostname or "localhost"

    def target(self) -> Target:
        """Return how to log in to the host: what is given here goes before ssh's configuration.

        A host behind another one's login is reached as is given here alone.

        Raises:
            ConfigError: ssh cannot read its configuration.
            FarswitchError: Keys of the host are announced, but nobody filled them in yet.
        """
        if "" in {self.host_key, self.private_key}:
            raise FarswitchError(
                f"The keys of guest '{self.host}' are not known.",
                hint="The cluster's record has them; make it: farswitch build",
            )
        known_hosts = (self.known_hosts.expanduser(),) if self.known_hosts else None
        given = Target(
            host=self.host,
            hostname=self.hostname or "localhost",
            port=self.port or SSH_PORT,
            user=self.username or user_name(),
            password=self.password or "",
            known_hosts=known_hosts,
            pinned=self.host_key or "",
            key_file=self.key_file and self.key_file.expanduser(),
            private_key=self.private_key or "",
        )
        if self.jump is not None:
            way = Through(self.host, self.jump, given.hostname, given.port, self.configuration)
            return replace(given, jump=way)
        file = self.ssh_config and self.ssh_config.expanduser()
        config = user_config(given.hostname, self.port, self.username, file)
        return replace(
            given,
            given=given.hostname,
            hostname=config.hostname,
            port=config.port,
            user=config.user,
            known_hosts=known_hosts or config.known_hosts,
            alias=config.alias,
            known_hosts_command="" if known_hosts else config.known_hosts_command,
            revoked_host_keys=config.revoked_host_keys,
            proxy=config.proxy,
            agent=config.agent,
            identity_files=config.identity_files,
            certificate_files=config.certificate_files,
            identities_only=config.identities_only,
        )


@dataclass(frozen=True)
class Through:
    """The way to a host through another one's login."""

    host: str
    jump: Host
    address: str
    port: int
    configuration: Config | None = field(compare=False)

    def __call__(self) -> Stream:
        """Return a stream to the host's sshd.

        Raises:
            ConnectionLostError: The host, or the one before it, cannot be reached.
        """
        shell = cast("Shell", opened(self.jump, "shell", self.configuration))
        try:
            return shell.channel(self.address, self.port, timeout=patient(LOGIN_SECONDS))
        except UnreachableError as error:  # the host is lost, and not the one before it
            cause = f"'{error.host}' does not reach {error.target}"
            raise ConnectionLostError(self.host, cause, hint=error.hint) from error

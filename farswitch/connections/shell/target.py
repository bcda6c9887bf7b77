"""Whom to log in to, and how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from farswitch.connections.shell.host_keys import KnownKeys, known_keys, pinned_key
from farswitch.connections.shell.protocol import Stream
from farswitch.connections.shell.user_config import DEFAULT_KEYS


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to log in to, and what proves who both sides are.

    Args:
        host: The name in messages.
        known_hosts: Files as ssh writes them; None means the user's and the system's.
        pinned: The only host key that is accepted, as a public line, whatever `known_hosts` has.
        key_file: The private key; none means the user's agent and `identity_files`.
        password: Asked for by servers that take no key.
        private_key: The private key itself, as OpenSSH writes it; comes before `key_file`.
        jump: Gives the stream that the login runs over; none means `proxy`.
        proxy: The command whose standard streams lead there; none means a TCP connection from here.
        given: What the user calls the host for ssh; by default its hostname.
        alias: The host's name in known_hosts files; by default hostname and port.
        known_hosts_command: What prints further lines of known_hosts; it may have tokens.
        revoked_host_keys: A file of keys that are never accepted.
        agent: The socket of the user's agent, "none", or "" for `SSH_AUTH_SOCK`.
    """

    host: str
    hostname: str
    port: int = 22
    user: str = "root"
    known_hosts: tuple[Path, ...] | None = None
    pinned: str = ""
    key_file: Path | None = None
    password: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)
    jump: Callable[[], Stream] | None = None
    proxy: tuple[str, ...] = ()
    given: str = ""
    alias: str = ""
    known_hosts_command: str = ""
    revoked_host_keys: Path | None = None
    agent: str = ""
    identity_files: tuple[Path, ...] = tuple(Path("~/.ssh") / name for name in DEFAULT_KEYS)
    certificate_files: tuple[Path, ...] = ()
    identities_only: bool = False

    def host_keys(self) -> KnownKeys:
        """Return the keys that the host may show."""
        keys = pinned_key(self.hostname, self.pinned) if self.pinned else known_keys(
            self.hostname, self.port, self.known_hosts,
            alias=self.alias, command=self.known_hosts_command,
        )  # fmt: skip
        return replace(keys, revocations=self.revoked_host_keys)

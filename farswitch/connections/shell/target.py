"""Whom to log in to, and how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from farswitch.connections.shell import host_keys
from farswitch.connections.shell.protocol import Stream


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to log in to, and what proves who both sides are.

    Args:
        host: The name in messages.
        known_hosts: Files as ssh writes them; none means the user's and the system's.
        pinned: The only host key that is accepted, as a public line; the files are not read then.
        key_file: The private key; none means the user's agent and default keys.
        password: Asked for by servers that take no key.
        private_key: The private key itself, as OpenSSH writes it; comes before `key_file`.
        jump: Gives the stream that the login runs over; none means a TCP connection from here.
    """

    host: str
    hostname: str
    port: int = 22
    user: str = "root"
    known_hosts: tuple[Path, ...] = ()
    pinned: str = ""
    key_file: Path | None = None
    password: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)
    jump: Callable[[], Stream] | None = None

    def host_keys(self) -> Any:
        """Return the keys that the host may show."""
        if self.pinned:
            return host_keys.pinned_key(self.hostname, self.port, self.pinned)
        return host_keys.known_keys(self.hostname, self.port, self.known_hosts)

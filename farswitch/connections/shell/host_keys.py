"""Which keys a host may show: what `ssh` finds in its files is right by definition."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import paramiko  # type: ignore[import-untyped]

from farswitch.errors import ConfigError

SYSTEM_KNOWN_HOSTS = (Path("~/.ssh/known_hosts"), Path("/etc/ssh/ssh_known_hosts"))
SECONDS = 10.0


class UnknownHostKeyError(paramiko.SSHException):  # type: ignore[misc]
    """A host showed a key and we know none."""

    def __init__(self, fingerprint: str) -> None:
        super().__init__(fingerprint)
        self.fingerprint = fingerprint


class Refuse(paramiko.MissingHostKeyPolicy):  # type: ignore[misc]
    """No key is learnt at first sight."""

    def missing_host_key(self, client: object, hostname: str, key: Any) -> NoReturn:  # noqa: ARG002
        """Refuse the key."""
        raise UnknownHostKeyError(key.fingerprint)


def lookup_name(hostname: str, port: int) -> str:
    """Return a host's name in a known_hosts file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""
    return hostname if port == paramiko.config.SSH_PORT else f"[{hostname}]:{port}"


def pinned_key(hostname: str, port: int, line: str) -> Any:
    """Return paramiko's table with the one key that a host may show: its public line.

    Raises:
        ConfigError: The line is no public key.
    """
    keys = paramiko.HostKeys()
    match line.split():
        case [kind, text, *_] if (key := _key(kind, text)) is not None:
            keys.add(lookup_name(hostname, port), kind, key)
            return keys
    raise ConfigError(f"The host key of '{hostname}' is '{line[:80]}', wanted 'ssh-ed25519 AAAA…'.")


def known_keys(hostname: str, port: int, files: Sequence[Path]) -> Any:
    """Return paramiko's table of the keys that known_hosts files have for a host.

    Like ssh: a host on another port than 22 goes by `[host]:port`, else by its name alone, both in
    lower case. Lines that are not understood, and certificates, are passed over; a revoked key is
    not known. No files means the user's and the system's.

    Raises:
        ConfigError: There is no ssh-keygen on this machine.
    """
    keys, name = paramiko.HostKeys(), lookup_name(hostname, port)
    for spelling in dict.fromkeys((name.lower(), hostname.lower())):
        lines = [line for path in files or SYSTEM_KNOWN_HOSTS for line in _lines(spelling, path)]
        revoked = {line[3] for line in lines if line[0] == "@revoked"}
        for _, kind, text in (line for line in lines if not line[0].startswith("@")):
            key = None if text in revoked else _key(kind, text)
            if key is not None and kind not in (keys.get(name) or {}):
                keys.add(name, kind, key)
        if keys:
            break
    return keys


def _lines(name: str, path: Path) -> Iterator[list[str]]:
    """Yield the fields of each line that ssh finds for a name, by hash and by pattern too."""
    path = path.expanduser()
    if not path.is_file():
        return
    try:
        found = subprocess.run(
            ["ssh-keygen", "-F", name, "-f", str(path)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        raise ConfigError(
            "This machine has no program 'ssh-keygen', which reads known_hosts files.",
            hint="Install OpenSSH's client: apt install openssh-client",
        ) from None
    for line in found.stdout.splitlines():
        fields = line.split()
        count = 4 if line.startswith("@") else 3  # a marker, host, type and key; then a comment
        if not line.startswith("#") and len(fields) >= count:
            yield fields[:count]


def _key(kind: str, text: str) -> Any:
    """Return the key, or None for what paramiko does not understand."""
    try:
        return paramiko.PKey.from_type_string(kind, base64.b64decode(text))
    except (ValueError, TypeError, IndexError, paramiko.SSHException, paramiko.pkey.UnknownKeyType):
        return None

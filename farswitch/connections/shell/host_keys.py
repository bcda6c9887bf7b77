"""Which keys a host may show: what `ssh` finds in its files is right by definition."""

from __future__ import annotations

import base64
import contextlib
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paramiko  # type: ignore[import-untyped]
from cryptography.exceptions import UnsupportedAlgorithm

from farswitch.connections.shell.host_certificate import SUFFIX, host_certificate
from farswitch.connections.shell.known_hosts_command import known_hosts_command
from farswitch.connections.shell.plain_key import plain_key
from farswitch.connections.shell.revoked_keys import is_revoked
from farswitch.connections.shell.ssh_keygen import ssh_keygen
from farswitch.connections.shell.user_config import DEFAULT_KNOWN_HOSTS
from farswitch.errors import ConfigError

RSA = ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")
"""What a key of the type "ssh-rsa" signs by (RFC 8332)."""


class UnknownHostKeyError(paramiko.SSHException):  # type: ignore[misc]
    """A host showed a key and we know none.

    `certificate` says why the one that came with it does not help.
    """

    def __init__(self, fingerprint: str, certificate: str = "") -> None:
        super().__init__(fingerprint)
        self.fingerprint = fingerprint
        self.certificate = certificate


class RevokedHostKeyError(UnknownHostKeyError):
    """A host showed a key that a known_hosts file revokes."""


@dataclass(frozen=True, slots=True)
class KnownKeys:
    """The keys that a host may show, in the files' order.

    Attributes:
        revoked: Keys that it may not show, nor may they sign its certificate, as base64.
        authorities: Keys that may sign its certificate, as base64.
        places: The names and files that the accepted ones were found by; None is the command.
        revocations: A further file of keys that it may not show.
    """

    accepted: tuple[Any, ...]
    revoked: frozenset[str] = frozenset()
    authorities: frozenset[str] = frozenset()
    places: tuple[tuple[str, Path | None], ...] = ()
    revocations: Path | None = None

    def sorted(self, types: Sequence[str]) -> list[str]:
        """Return the types of host keys with those first that we know: sshd shows the first.

        Certificates come before all others where an authority may sign them, as with ssh.
        """
        names = dict.fromkeys(key.get_name() for key in self.accepted)
        known = [kind for name in names for kind in (RSA if name == "ssh-rsa" else (name,))]
        order = sorted(types, key=lambda kind: known.index(kind) if kind in known else len(known))
        return [*(f"{kind}{SUFFIX}" for kind in order if self.authorities), *order]

    def check(self, name: str, shown: Any) -> None:
        """Take the key that a host of this name shows, or raise.

        Raises:
            RevokedHostKeyError: A file revokes it, or what signed its certificate.
            UnknownHostKeyError: We know no key of the host.
            paramiko.BadHostKeyException: It is none of those that we know.
            ConfigError: The file of revoked keys cannot be read.
        """
        certificate = host_certificate(shown)
        signed_by = certificate.authority if certificate else ""
        if self.revoked & {shown.get_base64(), signed_by}:
            raise RevokedHostKeyError(shown.fingerprint)
        if self.revocations and is_revoked(self.revocations, shown, signed_by):
            raise RevokedHostKeyError(shown.fingerprint)
        faults = ""
        if certificate and self.authorities:
            found = certificate.faults(name.lower(), self.authorities, time.time())
            faults = ", and ".join(found)
            if not faults:
                return
        if not self.accepted:
            raise UnknownHostKeyError(shown.fingerprint, faults)
        if shown not in self.accepted:
            same = (key for key in self.accepted if key.get_name() == shown.get_name())
            raise paramiko.BadHostKeyException(name, shown, next(same, self.accepted[0]))


def lookup_name(hostname: str, port: int) -> str:
    """Return a host's name in a known_hosts file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""
    return hostname if port == paramiko.config.SSH_PORT else f"[{hostname}]:{port}"


def pinned_key(hostname: str, line: str) -> KnownKeys:
    """Return the one key that a host may show: its public line.

    Raises:
        ConfigError: The line is no public key.
    """
    match line.split():
        case [kind, text, *_] if (key := _key(kind, text)) is not None:
            return KnownKeys((key,))
    raise ConfigError(f"The host key of '{hostname}' is '{line[:80]}', wanted 'ssh-ed25519 AAAA…'.")


def known_keys(
    hostname: str, port: int, files: Sequence[Path] | None, *, alias: str = "", command: str = ""
) -> KnownKeys:
    """Return the keys that known_hosts files have for a host, and what a command prints of it.

    Like ssh: a host on another port than 22 goes by `[host]:port`, else by its name alone, both in
    lower case; one with an alias by that. Lines that are not understood are passed over. A key that
    is revoked under any of these names is not accepted. None for the files means the user's and the
    system's.

    Raises:
        ConfigError: There is no ssh-keygen on this machine, or it hangs; or the command fails.
    """
    accepted, places = dict[str, Any](), list[tuple[str, Path | None]]()
    revoked, authorities = set[str](), set[str]()
    names = (alias,) if alias else (lookup_name(hostname, port), hostname)
    for name in dict.fromkeys(name.lower() for name in names):
        known = bool(accepted)
        for path, lines in _sources(name, files, "" if known or authorities else command):
            revoked |= set(_marked("@revoked", lines))
            authorities |= set(_marked("@cert-authority", lines))
            found = (_key(kind, text) for first, kind, text, *_ in lines if first[0] != "@")
            keys = {key.get_base64(): key for key in found if key is not None}
            if keys and not known:
                accepted |= keys
                places.append((name, path))
    good = tuple(key for text, key in accepted.items() if text not in revoked)
    return KnownKeys(good, frozenset(revoked), frozenset(authorities), tuple(places))


def _sources(
    name: str, files: Sequence[Path] | None, command: str
) -> Iterator[tuple[Path | None, list[list[str]]]]:
    """Yield what each file has of a name, and the command, which is none."""
    paths = map(Path, DEFAULT_KNOWN_HOSTS) if files is None else files
    for path in (path.expanduser() for path in paths):
        yield path, list(_lines(name, path))
    if command:
        with tempfile.NamedTemporaryFile("w", prefix="farswitch-known-") as printed:
            printed.write(known_hosts_command(command, name))
            printed.flush()
            yield None, list(_lines(name, Path(printed.name)))


def _lines(name: str, path: Path) -> Iterator[list[str]]:
    """Yield the fields of each line that ssh finds for a name, by hash and by pattern too."""
    if not path.is_file():
        return
    for line in map(str.strip, ssh_keygen("-F", name, "-f", str(path)).splitlines()):
        fields = line.split()
        count = 4 if line.startswith("@") else 3  # a marker, host, type and key; then a comment
        if not line.startswith("#") and len(fields) >= count:
            yield fields[:count]


def _marked(marker: str, lines: Sequence[list[str]]) -> Iterator[str]:
    """Yield the keys of lines with a marker, as base64; that of a certificate is the one inside."""
    for first, *_, kind, text in lines:
        if first == marker:
            with contextlib.suppress(ValueError, UnsupportedAlgorithm):
                yield plain_key(f"{kind} {text}".encode())


def _key(kind: str, text: str) -> Any:
    """Return the key, or None for a certificate and what paramiko does not understand."""
    if kind.endswith(SUFFIX):
        return None
    try:
        return paramiko.PKey.from_type_string(kind, base64.b64decode(text))
    except (ValueError, TypeError, IndexError, paramiko.SSHException, paramiko.pkey.UnknownKeyType):
        return None

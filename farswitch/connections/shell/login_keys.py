"""The keys that a login shows, in ssh's order: what its target gives, and the user's agent has."""

from __future__ import annotations

import io
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paramiko  # type: ignore[import-untyped]

from farswitch.connections.shell.protocol import ConnectionLostError
from farswitch.connections.shell.ssh_keygen import ssh_keygen
from farswitch.connections.shell.target import Target

KINDS = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)
PUBLIC = ("ssh-", "ecdsa-", "sk-")
"""What a file begins with that is a public key."""
SECONDS = 10.0
LIMIT = 1 << 16
"""Characters of a private key: one of 16,384 bits has 13,000."""


@dataclass(slots=True)
class LoginKeys:
    """The keys of a login; `encrypted` are the files whose keys nobody could open."""

    keys: list[Any] = field(default_factory=list)
    encrypted: list[Path] = field(default_factory=list)


@contextmanager
def login_keys(target: Target) -> Iterator[LoginKeys]:
    """Yield the keys to log in with, which work until the block ends.

    Raises:
        ConnectionLostError: The key that the target gives cannot be read, or is encrypted and not
            in the agent.
        ConfigError: There is no ssh-keygen on this machine, or it hangs.
    """
    with ExitStack() as stack:
        if target.private_key:
            yield LoginKeys([key for key in (_given(target),) if key is not None])
        else:
            yield _of_files(target, _agents(target, stack))


def _of_files(target: Target, agents: list[Any]) -> LoginKeys:
    """Return the keys of files, those that the agent has first, then all others of the agent."""
    files = (target.key_file,) if target.key_file else target.identity_files
    by_fingerprint = {key.fingerprint: key for key in agents}
    found, matched = LoginKeys(), list[Any]()
    for path in (path.expanduser() for path in files):
        if path != target.key_file and not (os.access(path, os.F_OK) and path.is_file()):
            continue
        certificates = _certificates(target, path)
        agent_key = by_fingerprint.get(_fingerprint(path)) if agents else None
        if agent_key is not None:
            matched += [*_certified(agent_key, certificates), agent_key]
            continue
        try:
            key = _parsed(target, _content(target.host, path), path)
        except paramiko.PasswordRequiredException as error:
            if target.key_file:
                raise _encrypted(target) from error
            found.encrypted.append(path)
            continue
        except ConnectionLostError:
            if target.key_file:
                raise
            continue  # as ssh does, with another user's key
        if key is not None:
            found.keys += [*_certified(key, certificates), key]
    only = target.identities_only or target.key_file
    others = [] if only else [key for key in agents if key not in matched]
    found.keys = [*matched, *others, *found.keys]
    return found


def _given(target: Target) -> Any:
    try:
        return _parsed(target, target.private_key, None)
    except paramiko.PasswordRequiredException as error:
        raise _encrypted(target) from error


def _certificates(target: Target, path: Path) -> list[Path]:
    """Return the certificates of a key file: those that the user names, else the one beside it."""
    beside = Path(f"{path}-cert.pub")
    named = [one for one in target.certificate_files if one.is_file()]
    return [*named, *([beside] if beside.is_file() else [])]


def _certified(key: Any, certificates: list[Path]) -> Iterator[Any]:
    """Yield the key once for each certificate that is its own."""
    for path in certificates:
        with suppress(OSError, ValueError, paramiko.SSHException):
            blob = paramiko.pkey.PublicBlob.from_file(str(path))
            # Type, nonce, then the same numbers as in the key (PROTOCOL.certkeys of OpenSSH).
            if key.asbytes()[4 + len(key.get_name()) :] in blob.key_blob:
                yield Certified(key, blob)


class Certified:
    """A key that is shown with its certificate."""

    def __init__(self, key: Any, blob: Any) -> None:
        self._key = key
        self.public_blob = blob

    def __getattr__(self, name: str) -> Any:
        return getattr(self._key, name)


def _content(host: str, path: Path) -> str:
    hint = "Correct `key_file`, in the site or among the connection's extras."
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise ConnectionLostError(host, f"the key file '{path}' is no file", hint=hint)
        with path.open(encoding="ascii", errors="replace") as file:
            return file.read(LIMIT)
    except FileNotFoundError:
        raise ConnectionLostError(host, f"there is no key file '{path}'", hint=hint) from None
    except OSError as error:
        cause = f"the key file '{path}' cannot be read: {error.strerror}"
        raise ConnectionLostError(host, cause, hint=hint) from error


def _parsed(target: Target, text: str, path: Path | None) -> Any:
    """Return the key that a text is; a password may be its passphrase, or is the host's alone."""
    for kind in KINDS:
        try:
            return kind.from_private_key(io.StringIO(text), target.password or None)
        except paramiko.PasswordRequiredException:
            raise
        except (paramiko.SSHException, ValueError, IndexError, AssertionError):
            continue  # another kind's, or nobody's
    if target.password or (path is not None and path != target.key_file):
        return None
    if path is not None and text.startswith(PUBLIC):
        cause = f"{_name(target)} is a public key, and no agent has its private half"
        hint = f"Name the private key: key_file: {path.with_suffix('')}"
        raise ConnectionLostError(target.host, cause, hint=hint)
    cause = f"{_name(target)} is no ed25519, ECDSA or RSA key as OpenSSH writes it"
    raise ConnectionLostError(target.host, cause, hint="Look what it is: ssh-keygen -l -f FILE")


def _agents(target: Target, stack: ExitStack) -> list[Any]:
    """Return the keys of the user's agent, which serves until the stack ends."""
    where = target.agent or os.environ.get("SSH_AUTH_SOCK", "none")
    if where == "none":
        return []
    agent = paramiko.agent.AgentSSH()
    with suppress(OSError, paramiko.SSHException):
        connection = stack.enter_context(socket.socket(socket.AF_UNIX))
        connection.settimeout(SECONDS)
        connection.connect(where)
        agent._connect(connection)  # noqa: SLF001 - paramiko's own agent knows one socket alone
    return list(agent.get_keys())


def _fingerprint(path: Path) -> str:
    """Return what ssh-keygen prints of a key; its public half is never encrypted."""
    printed = ssh_keygen("-l", "-f", str(path)).split()
    return printed[1] if len(printed) > 1 else ""


def _encrypted(target: Target) -> ConnectionLostError:
    if target.private_key:
        cause, hint = "", "Give it without a passphrase, or its file as `key_file`."
    else:
        cause, hint = ", and no agent has its key", f"ssh-add '{target.key_file}'"
    return ConnectionLostError(target.host, f"{_name(target)} is encrypted{cause}", hint=hint)


def _name(target: Target) -> str:
    return "`private_key`" if target.private_key else f"the key file '{target.key_file}'"

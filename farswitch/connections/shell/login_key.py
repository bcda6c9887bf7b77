"""The key that a login shows: what its target gives, or the same one open in the user's agent."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import paramiko  # type: ignore[import-untyped]

from farswitch.connections.shell.protocol import ConnectionLostError
from farswitch.connections.shell.target import Target

KINDS = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)
SECONDS = 10.0


@contextmanager
def login_key(target: Target) -> Iterator[Any]:
    """Yield the key to log in with, which works until the block ends.

    It is None where the target gives none, or none that can be read but a password.

    Raises:
        ConnectionLostError: The key cannot be read, or is encrypted and not in the agent.
    """
    try:
        key = _given(target)
    except paramiko.PasswordRequiredException as error:
        with _agent_key(target) as key:
            if key is None:
                raise _encrypted(target) from error
            yield key
            return
    yield key


def _given(target: Target) -> Any:
    if target.private_key:
        return _parsed(target, target.private_key)
    if target.key_file is None:
        return None
    key = _parsed(target, _content(target.host, target.key_file))
    certificate = Path(f"{target.key_file}-cert.pub")  # ssh(1) looks there too
    if key is not None and certificate.is_file():
        key.load_certificate(str(certificate))
    return key


def _content(host: str, path: Path) -> str:
    hint = "Correct `key_file`, in the site or among the connection's extras."
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        raise ConnectionLostError(host, f"there is no key file '{path}'", hint=hint) from None
    except OSError as error:
        cause = f"the key file '{path}' cannot be read: {error.strerror}"
        raise ConnectionLostError(host, cause, hint=hint) from error


def _parsed(target: Target, text: str) -> Any:
    """Return the key that a text is; a password may be its passphrase, or is the host's alone."""
    for kind in KINDS:
        try:
            return kind.from_private_key(io.StringIO(text), target.password or None)
        except paramiko.PasswordRequiredException:
            raise
        except (paramiko.SSHException, ValueError, IndexError, AssertionError):
            continue  # another kind's, or nobody's
    if target.password:
        return None
    cause = f"{_name(target)} is no ed25519, ECDSA or RSA key as OpenSSH writes it"
    raise ConnectionLostError(target.host, cause, hint="Look what it is: ssh-keygen -l -f FILE")


@contextmanager
def _agent_key(target: Target) -> Iterator[Any]:
    """Yield the agent's key that the target's file has, or None."""
    path = None if target.private_key else target.key_file
    with closing(paramiko.Agent()) as agent:
        keys = agent.get_keys() if path is not None else ()
        fingerprint = _fingerprint(path) if keys and path is not None else ""
        yield next((key for key in keys if key.fingerprint == fingerprint), None)


def _fingerprint(path: Path) -> str:
    """Return what ssh-keygen prints of a key; its public half is never encrypted."""
    printed = subprocess.run(
        ["ssh-keygen", "-l", "-f", str(path)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False,
    ).stdout.split()  # fmt: skip
    return printed[1] if len(printed) > 1 else ""


def _encrypted(target: Target) -> ConnectionLostError:
    if target.private_key:
        cause, hint = "", "Give it without a passphrase, or its file as `key_file`."
    else:
        cause, hint = ", and no agent has its key", f"ssh-add '{target.key_file}'"
    return ConnectionLostError(target.host, f"{_name(target)} is encrypted{cause}", hint=hint)


def _name(target: Target) -> str:
    return "`private_key`" if target.private_key else f"the key file '{target.key_file}'"

"""The file that RevokedHostKeys of the user's ssh configuration names: keys, or a list of `-k`."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm

from farswitch.connections.shell.plain_key import plain_key
from farswitch.connections.shell.ssh_keygen import ssh_keygen
from farswitch.errors import ConfigError

MAGIC = b"SSHKRL\n\0"
"""What a key revocation list begins with (PROTOCOL.krl of OpenSSH)."""
DSA = b"ssh-dss"
"""No host shows us a key of this type: what a line has of it is not looked at."""


def is_revoked(path: Path, shown: Any, authority: str) -> bool:
    """Return whether a file revokes the key that a host shows, or what its certificate rests on.

    Args:
        path: The file: public keys, one a line, or a key revocation list.
        shown: The key as paramiko has it, with its certificate.
        authority: The key that signed that, as base64.

    Raises:
        ConfigError: It cannot be read: ssh refuses every host then.
    """
    try:
        if not path.is_file() and path.exists():
            raise _unreadable(path, "it is no file")
        content = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error.strerror or "") from None
    if not content.startswith(MAGIC):
        return any(key in {shown.get_base64(), authority} for key in _keys(path, content))
    blob = shown.public_blob
    kind, text = (blob.key_type, blob.key_blob) if blob else (shown.get_name(), shown.asbytes())
    with tempfile.NamedTemporaryFile("w", prefix="farswitch-shown-") as public:
        public.write(f"{kind} {base64.b64encode(text).decode()}\n")
        public.flush()
        printed = ssh_keygen("-Q", "-f", str(path), public.name)
    if not printed.startswith(public.name):
        raise _unreadable(path, "ssh-keygen does not understand it")
    return printed.rstrip().endswith("REVOKED")


def _keys(path: Path, content: bytes) -> Iterator[str]:
    """Yield the key of each line; like ssh, go on past none that it does not understand."""
    for number, line in enumerate(content.split(b"\n"), 1):
        words = line.lstrip(b" \t")
        if not words or words.startswith((b"#", DSA)):
            continue
        try:
            yield plain_key(words)
        except (ValueError, UnsupportedAlgorithm):
            hint = f"Correct line {number}: ssh itself refuses every host."
            raise _unreadable(path, f"line {number} is no public key", hint) from None


def _unreadable(path: Path, cause: str, hint: str = "") -> ConfigError:
    return ConfigError(
        f"RevokedHostKeys of your ssh configuration is '{path}', which cannot be read: {cause}.",
        hint=hint or f"Look what ssh-keygen says: ssh-keygen -Q -l -f '{path}'",
    )

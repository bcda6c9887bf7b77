"""The key in a public line, as ssh compares it: that of a certificate is the key inside."""

from __future__ import annotations

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    SSHCertificate,
    SSHPublicKeyTypes,
    load_ssh_public_identity,
)


def plain_key(line: bytes) -> str:
    """Return a public key without its certificate, as base64.

    Raises:
        ValueError: The line is no public key.
        UnsupportedAlgorithm: It is one of a type that is not known here.
    """
    key = load_ssh_public_identity(line)
    return key_text(key.public_key() if isinstance(key, SSHCertificate) else key)


def key_text(key: SSHPublicKeyTypes) -> str:
    """Return a key as base64, the same for each way to write it."""
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).split()[1].decode()

"""Key pairs of a cluster: made here, never read from a guest."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An ed25519 pair: the private key as OpenSSH's PEM, the public one as a line with comment."""

    private: str = field(repr=False)
    public: str


def generate(comment: str) -> KeyPair:
    """Return a new ed25519 pair (RFC 8709), whose public line ends with the comment."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return KeyPair(private.decode(), f"{public.decode()} {comment}")

"""A host's certificate (PROTOCOL.certkeys of OpenSSH): what `ssh` takes is taken, else why not."""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    SSHCertificate,
    SSHCertificateType,
    load_ssh_public_identity,
)

from farswitch.connections.shell.plain_key import key_text

SUFFIX = "-cert-v01@openssh.com"
SHA1 = b"\0\0\0\x07ssh-rsa"
"""What begins an RSA key, and a signature by one that no OpenSSH since 8.2 takes of an authority.
A certificate has the former once, as its authority's key."""
FOREVER = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class HostCertificate:
    """What a host showed besides its key.

    Attributes:
        authority: The key that signed it, as base64; "" where nobody understands it.
    """

    authority: str
    _certificate: SSHCertificate | None = None
    _weak: bool = False

    def faults(self, name: str, authorities: Collection[str], now: float) -> Iterator[str]:
        """Yield why it does not speak for a host of this name: ends of "whose certificate …".

        Args:
            name: The host's name in known_hosts files, without a port.
            authorities: The keys that may sign for it, as base64.
            now: Seconds since 1970.
        """
        certificate = self._certificate
        if certificate is None:
            yield "is not understood"
            return
        if self.authority not in authorities:
            yield "is signed by an authority that no file names for it"
        if certificate.type is not SSHCertificateType.HOST:
            yield "is one of users"
        if now < certificate.valid_after:
            yield f"is not valid before {_date(certificate.valid_after)}"
        if now >= certificate.valid_before != FOREVER:
            yield f"has expired on {_date(certificate.valid_before)}"
        principals = [one.decode(errors="replace") for one in certificate.valid_principals]
        if principals and name not in principals:
            yield f"is for {', '.join(principals)} and not for {name}"
        if certificate.critical_options:
            yield "has critical options"
        if self._weak or not _is_signed(certificate):
            yield "has no valid signature"


def host_certificate(shown: Any) -> HostCertificate | None:
    """Return the certificate of a key as paramiko has it; None where it came without one."""
    blob = getattr(shown, "public_blob", None)
    if blob is None:
        return None
    line = f"{blob.key_type} {base64.b64encode(blob.key_blob).decode()}"
    try:
        certificate = load_ssh_public_identity(line.encode())
        if not isinstance(certificate, SSHCertificate):
            return None
        authority = key_text(certificate.signature_key())
    except (ValueError, UnsupportedAlgorithm):
        return HostCertificate("")
    return HostCertificate(authority, certificate, blob.key_blob.count(SHA1) > 1)


def _is_signed(certificate: SSHCertificate) -> bool:
    try:
        certificate.verify_cert_signature()
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


def _date(seconds: int) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, ValueError, OSError):
        return "the end of time"

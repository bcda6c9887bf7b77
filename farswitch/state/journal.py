"""The journal as a file on the server that it describes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Literal

from farswitch.connections.shell.base import Shell
from farswitch.connections.shell.protocol import CommandError
from farswitch.errors import FarswitchError
from farswitch.state.document import ServerDocument, load_versioned, reason
from farswitch.state.keys import parse_key
from farswitch.state.saved_settings import ABSENT, Claim, Journal, Value

FOLDER = "/var/lib/farswitch"
NAME = "journal.json"
VERSION = 1
LARGEST = 64 << 20
"""Bytes: a server with ten thousand rules journals about two million."""


class ClaimEntry(ServerDocument):
    """A claim as the file has it."""

    saved: Value
    ours: Value
    owners: frozenset[str]


class JournalDocument(ServerDocument):
    """The file."""

    version: Literal[1]
    claims: dict[str, ClaimEntry]


class JournalDamagedError(FarswitchError):
    """The journal of a server cannot be read; it is never replaced."""

    def __init__(self, server: str, path: str, reason: str) -> None:
        super().__init__(
            f"The journal '{path}' on server '{server}' cannot be read: {reason}.",
            hint="It holds the server's settings from before farswitch. Repair it, or restore the "
            "settings by hand and remove it.",
        )
        self.server = server
        self.path = path


class JournalConflictError(FarswitchError):
    """Somebody changed the journal between our reading and our writing."""

    def __init__(self, server: str) -> None:
        super().__init__(
            f"Another controller changes the settings of server '{server}' at the same time.",
            hint="Wait until it is done and run this again.",
        )
        self.server = server


def dump(journal: Journal) -> bytes:
    """Return the journal as the file's content, the same for equal journals."""
    claims = {
        str(key): {"saved": claim.saved, "ours": claim.ours, "owners": sorted(claim.owners)}
        for key, claim in journal.claims.items()
    }
    return (json.dumps({"version": VERSION, "claims": claims}, indent=1) + "\n").encode()


def stored(journal: Journal) -> bool:
    """Return whether a journal is what its server's file holds already."""
    digest = hashlib.sha256(dump(journal)).hexdigest() if journal.claims else ABSENT
    return digest == journal.digest


def parse(content: bytes, where: str = "The journal") -> Journal:
    """Return the journal that a file holds.

    Raises:
        NewerDocumentError: A newer release wrote it.
        ValueError: The content is damaged.
    """
    document = JournalDocument.model_validate(load_versioned(content, VERSION, where))
    claims = {
        parse_key(key): Claim(entry.saved, entry.ours, entry.owners)
        for key, entry in document.claims.items()
    }
    return Journal(claims, hashlib.sha256(content).hexdigest())


def load(shell: Shell, *, folder: str = FOLDER) -> Journal:
    """Read the journal of a server; one that is not there is empty.

    Raises:
        JournalDamagedError: It is there, and cannot be understood.
    """
    path = f"{folder}/{NAME}"
    content = shell.read(path, limit=LARGEST)
    if content is None:
        return Journal()
    try:
        return parse(content, f"The journal '{path}' on server '{shell.host}'")
    except (ValueError, RecursionError) as error:
        raise JournalDamagedError(shell.host, path, reason(error)) from error


def store(shell: Shell, journal: Journal, *, folder: str = FOLDER) -> Journal:
    """Replace the journal of a server in one step that survives a crash; remove an empty one.

    Call it with the server's shared settings held, so that no other run writes meanwhile, and with
    what follows from the journal that `load` or `store` returned last. It returns the journal with
    the digest of the new file.

    Raises:
        JournalConflictError: The file is not the one that was read any more.
    """
    content = dump(journal) if journal.claims else b""
    digest = hashlib.sha256(content).hexdigest() if content else ABSENT
    if digest == journal.digest:
        return journal
    path = f"{folder}/{NAME}"
    there = shell.read(path, limit=LARGEST)
    if (ABSENT if there is None else hashlib.sha256(there).hexdigest()) != journal.digest:
        raise JournalConflictError(shell.host)
    if not content:
        _remove(shell, folder)
        return replace(journal, digest=ABSENT)
    try:
        shell.write(path, content, mode=0o600)
    except CommandError as error:
        raise FarswitchError(
            f"The journal '{path}' on server '{shell.host}' could not be written: "
            f"{error.stderr.strip()}.",
            hint="Nothing was changed. Look for a full or read-only file system.",
        ) from error
    return replace(journal, digest=digest)


def tidy(shell: Shell, *, folder: str = FOLDER) -> None:
    """Remove what a cut left beside a journal that is not there; nothing where there is one.

    Call it with the server's shared settings held.
    """
    if shell.read(f"{folder}/{NAME}", limit=LARGEST) is None:
        _remove(shell, folder)


def _remove(shell: Shell, folder: str) -> None:
    """Remove the journal, what writes of it left that were cut, and the folder if it is empty."""
    for name in (NAME, f"{NAME}.new"):  # releases before this one wrote beside it under that name
        shell.remove(f"{folder}/{name}")
    shell.run(("sync", "--", folder), check=False)
    shell.run(("rmdir", "--ignore-fail-on-non-empty", "--", folder), check=False)

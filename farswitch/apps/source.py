"""The sources that a user brings: a tar archive, or a folder that is packed as one."""

from __future__ import annotations

import hashlib
import io
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

from farswitch.errors import ConfigError
from farswitch.home import expand_home

LARGEST = 256 << 20
"""Bytes of the archive: it is held in memory and sent to the head. LAMMPS has 180 MB."""


@dataclass(frozen=True, slots=True)
class AppSource:
    """An archive, and the sha256 that names what is in it."""

    content: bytes = field(repr=False)
    digest: str


def read_source(place: str, sha256: str | None) -> AppSource:
    """Read the archive at a place, or pack the folder there.

    A folder is packed so that its digest follows from names, bytes and modes alone; each name of a
    hard-linked file has its bytes.

    Args:
        place: The path.
        sha256: What the archive's digest has to be.

    Raises:
        ConfigError: There is none, it is too large, or has another digest.
    """
    path = expand_home(place)
    try:
        content = _packed(path) if path.is_dir() else _archive(path)
    except OSError as error:
        raise ConfigError(f"'{path}' cannot be read: {error.strerror}.") from error
    if len(content) > LARGEST:
        raise ConfigError(f"'{path}' has {len(content)} bytes, wanted {LARGEST} at most.")
    digest = hashlib.sha256(content).hexdigest()
    if sha256 is not None and sha256 != digest:
        raise ConfigError(f"'{path}' has the sha256 {digest}, wanted {sha256}.")
    return AppSource(content, digest)


def _archive(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            archive.next()
    except (tarfile.TarError, EOFError) as error:
        if len(content) <= LARGEST:
            raise ConfigError(f"'{path}' is no tar archive, wanted one, or a folder.") from error
    return content


def _packed(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path in sorted(folder.rglob("*")):
            if buffer.tell() > LARGEST:
                break
            archive.inodes.clear()  # type: ignore[attr-defined]  # else the second name is a link
            archive.add(path, path.relative_to(folder), recursive=False, filter=_plain)
    return buffer.getvalue()


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Return an entry without what differs between two copies; None for what is no source."""
    if not (entry.isfile() or entry.isdir() or entry.issym()):
        return None
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    return entry

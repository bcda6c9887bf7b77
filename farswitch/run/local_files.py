"""Files of the controller: those that a command line names, and those that are its user's alone."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_IMODE

from farswitch.errors import ConfigError
from farswitch.home import expand_home

LARGEST = 256 << 20
"""Bytes of one file: it is held in memory, and sent to each guest."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file to be copied: its name, bytes and permission bits, and where it goes."""

    name: str
    content: bytes = field(repr=False)
    mode: int
    path: str = "."


def read_local(text: str) -> LocalFile:
    """Read the file that is named; a colon that is part of an existing name is no separator.

    Raises:
        ConfigError: There is no such file, or it cannot be copied.
    """
    source, path = expand_home(text), "."
    if not source.exists() and ":" in text:
        before, _, path = text.rpartition(":")
        source = expand_home(before)
    if not path:
        raise ConfigError(f"'{text}' names no place behind ':', wanted FILE or FILE:PATH.")
    try:
        if not source.is_file():
            what = "a folder" if source.is_dir() else "no file"
            raise ConfigError(f"'{source}' is {what}, wanted one file to copy.")
        if (size := source.stat().st_size) > LARGEST:
            raise ConfigError(
                f"'{source}' has {size} bytes, wanted {LARGEST} at most.",
                hint="Larger ones: scp, with the cluster's ssh_config",
            )
        content, mode = source.read_bytes(), S_IMODE(source.stat().st_mode) & 0o777
    except (OSError, ValueError) as error:
        raise ConfigError(f"'{source}' cannot be read: {error}.") from error
    return LocalFile(Path(source).name, content, mode, path)


def write_local(path: Path, text: str) -> None:
    """Write a file.

    Raises:
        ConfigError: It cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"'{path}' cannot be written: {error.strerror}.",
            hint="Choose another file.",
        ) from error


def replace_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads, whole: others may read it at any moment.

    Raises:
        OSError: It cannot be written.
    """
    with suppress(OSError, ValueError):
        if path.read_text(encoding="utf-8") == text:
            return
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    beside.touch(mode=0o600)
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)

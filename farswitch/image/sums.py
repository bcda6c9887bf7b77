"""Digests of what lies in the cache: a file that its disk or somebody has changed is not used."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path


def digest(path: Path) -> str:
    """Return a file's sha256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def seal(sums: Path, files: Iterable[Path]) -> None:
    """Write down what files have now, which are complete.

    Args:
        sums: Where; written beside and renamed.
        files: What has just been made.
    """
    text = json.dumps({file.name: digest(file) for file in files}, indent=1)
    beside = sums.with_name(f".{sums.name}.partial")
    beside.write_text(f"{text}\n", encoding="utf-8")
    beside.rename(sums)


def intact(sums: Path) -> bool:
    """Return whether the files beside have what was written down."""
    try:
        wanted = json.loads(sums.read_text(encoding="utf-8"))
        return bool(wanted) and all(digest(sums.parent / name) == wanted[name] for name in wanted)
    except (OSError, ValueError, TypeError):
        return False

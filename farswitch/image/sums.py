"""Digests of what lies in the cache: a file that its disk or somebody has changed is not used."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path

Received = Callable[[int, int | None], None]
"""Gets the bytes that were read so far, and those that there are where that is known."""
BLOCK = 1 << 20


def silent(_have: int, _total: int | None) -> None:
    """Report nothing."""


def digest(path: Path, progress: Received = silent) -> str:
    """Return a file's sha256 in hexadecimal."""
    total, have, state = path.stat().st_size, 0, hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            state.update(block)
            have += len(block)
            progress(have, total)
    return state.hexdigest()


def seal(sums: Path, files: Iterable[Path]) -> None:
    """Write down what files have now, which are complete: beside, and renamed."""
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

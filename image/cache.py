"""Where images are kept, and the lock that lets one process make one of them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def default_cache() -> Path:
    """Return where this user's images are kept."""
    if os.geteuid() == 0:
        return Path("/var/cache/farswitch")
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "farswitch"


@contextmanager
def lock(cache: Path, name: str) -> Iterator[None]:
    """Hold an flock; the kernel lets it go when the process ends, however that happens."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f".{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

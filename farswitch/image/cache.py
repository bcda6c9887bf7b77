"""Where images are kept, and the lock that lets one process make one of them."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from farswitch.home import base_folder

ROOT_CACHE = Path("/var/cache/farswitch")
"""Where root's images are kept; others may read them."""


def default_cache() -> Path:
    """Return where this user's images are kept."""
    if os.geteuid() == 0:
        return ROOT_CACHE
    return base_folder("XDG_CACHE_HOME", ".cache") / "farswitch"


_UMASK = threading.RLock()
"""The umask is the whole process's."""


@contextmanager
def lock(cache: Path, name: str) -> Iterator[None]:
    """Hold an flock; the kernel lets it go when the process ends, however that happens.

    What is made meanwhile is open to be read, whatever the user's umask: else it would close the
    image's own files to the guest's users.
    """
    with _UMASK:
        before = os.umask(0o022)
        try:
            cache.mkdir(parents=True, exist_ok=True)
            with (cache / f".{name}.lock").open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield
        finally:
            os.umask(before)

"""A folder for as long as a run lives: the next run removes what one that was killed has left."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

PREFIX = "farswitch-ssh-"
PROGRAM = "ssh"
"""What lies in it, and nothing else: by that it is known as ours."""


class SshFolder:
    """A folder of this user's alone, locked while it is in use: so nobody removes one in use."""

    def __init__(self) -> None:
        """Make it, after what ended runs have left is removed."""
        sweep()
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(self._fd, fcntl.LOCK_EX)

    @property
    def program(self) -> Path:
        """Where the program belongs."""
        return self.path / PROGRAM

    def close(self) -> None:
        """Remove it; a second call does nothing."""
        if self._fd >= 0:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._fd)
            self._fd = -1


def sweep() -> None:
    """Remove the folders of this user's that nobody has locked."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                names = [entry.name for entry in path.iterdir()]
                if os.fstat(fd).st_uid == os.geteuid() and names == [PROGRAM]:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(path)
            finally:
                os.close(fd)

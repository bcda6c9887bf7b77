"""The lab's folders on the controller: made with a mark, and removed only with it."""

from __future__ import annotations

import shutil
from pathlib import Path

from farswitch.errors import ForeignObjectError

_MARK = ".farswitch-lab"


def claim(folder: Path, *, mode: int = 0o700) -> bool:
    """Make a folder of the lab's, or find that it is one.

    Returns:
        Whether it was made.

    Raises:
        ForeignObjectError: There is a folder without the lab's mark.
    """
    if (folder / _MARK).is_file():
        return False
    folder.mkdir(mode=mode, exist_ok=True)
    if any(folder.iterdir()):
        raise ForeignObjectError("Folder", str(folder), "controller")
    (folder / _MARK).touch()
    return True


def remove(folder: Path) -> bool:
    """Remove a folder with everything in it if it has the lab's mark, or is empty.

    Returns:
        Whether there was one of the lab's.
    """
    if not folder.is_dir():
        return False
    if (folder / _MARK).is_file():
        for entry in folder.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name != _MARK:
                entry.unlink()
        (folder / _MARK).unlink()  # last, so that a removal cut short can be done again
    elif any(folder.iterdir()):
        return False
    folder.rmdir()
    return True

"""The user who runs this: their name and home, which a container may lack, and folders in it."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

from farswitch.errors import ConfigError

HOME = "~/"
"""How a path that starts there begins; `~user/` is nobody's here."""


def user_name() -> str:
    """Return the name of the user who runs this, or the number of one without a name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # OSError since Python 3.13
        return str(os.getuid())


def home_folder() -> Path:
    """Return the home folder of the user who runs this.

    Raises:
        ConfigError: $HOME is empty, or is not set and the system knows no such user.
    """
    try:
        if os.environ.get("HOME") != "":
            return Path.home()
    except RuntimeError:  # what Path raises
        pass
    raise ConfigError(
        "There is no home folder: $HOME is empty, or not set for a user of no entry in "
        "/etc/passwd.",
        hint="Set HOME to a folder that is yours.",
    )


def expand_home(path: str) -> Path:
    """Return a path, at the home folder where it starts with `~/`."""
    return home_folder() / path.removeprefix(HOME) if path.startswith(HOME) else Path(path)


def base_folder(variable: str, default: str) -> Path:
    """Return the folder that a variable names, or one in the home folder.

    A relative one is passed over (XDG Base Directory Specification, "Basics").
    """
    named = Path(os.environ.get(variable, ""))
    return named if named.is_absolute() else home_folder() / default

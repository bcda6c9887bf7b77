"""Programs that run on guests and servers; they are sent there as they are, each in one file."""

from __future__ import annotations

import re
from importlib import resources

_FUTURE = "from __future__ import annotations\n"
_SHARED = re.compile(r"^from farswitch\.remote\.(\w+) import .*\n", re.MULTILINE)
_START = '\nif __name__ == "__main__":\n'


def source(name: str) -> str:
    """Return the text of a program, for hosts that do not have it, whole: with what it imports."""
    return _SHARED.sub(lambda found: _shared(found[1]), _read(name))


def command(name: str, *arguments: str) -> list[str]:
    """Return the command that runs a program on a host, without the folders of user and site.

    It starts faster so, and nobody there changes what it imports.
    """
    return ["python3", "-IS", "-c", source(name), *arguments]


def _shared(name: str) -> str:
    """Return what one program takes from another: all but its start."""
    return _read(name).replace(_FUTURE, "").partition(_START)[0]


def _read(name: str) -> str:
    return resources.files(__name__).joinpath(f"{name}.py").read_text(encoding="utf-8")


def shell_command(name: str, *arguments: str) -> list[str]:
    """Return the command that runs a shell script on a host."""
    return ["sh", "-c", script(name), name, *arguments]


def script(name: str) -> str:
    """Return the text of a shell script, for hosts that do not have it."""
    return resources.files(__name__).joinpath(f"{name}.sh").read_text(encoding="utf-8")

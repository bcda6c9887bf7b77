"""Programs that run on guests and servers; they are sent there as they are, each in one file."""

from __future__ import annotations

from importlib import resources


def source(name: str) -> str:
    """Return the text of a program, for hosts that do not have it."""
    return resources.files(__name__).joinpath(f"{name}.py").read_text(encoding="utf-8")

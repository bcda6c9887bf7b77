"""Doing one thing for many hosts side by side, each with its own outcome."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from farswitch.errors import FarswitchError

T = TypeVar("T")
AT_ONCE = 32
"""Hosts that one probe works on side by side."""


def each(names: Iterable[str], call: Callable[[str], T]) -> dict[str, T | FarswitchError]:
    """Call a function for several hosts side by side.

    Args:
        names: The hosts.
        call: What is done for each.

    Returns:
        What it returned for each name, or the error that it raised there.
    """

    def attempt(name: str) -> T | FarswitchError:
        try:
            return call(name)
        except FarswitchError as error:
            return error

    names = list(names)
    with ThreadPoolExecutor(max(1, min(AT_ONCE, len(names)))) as pool:
        return dict(zip(names, pool.map(attempt, names), strict=True))


def each_or_raise(names: Iterable[str], call: Callable[[str], T]) -> dict[str, T]:
    """Call a function for several hosts side by side, as `each` does.

    Raises:
        FarswitchError: The error of the first host that has one.
    """
    values: dict[str, T] = {}
    for name, outcome in each(names, call).items():
        if isinstance(outcome, FarswitchError):
            raise outcome
        values[name] = outcome
    return values

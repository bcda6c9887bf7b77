"""Ctrl-C as an order to come to an end, for what is complete at any moment."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ENDS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def ctrl_c_ends(end: Callable[[], object]) -> Iterator[None]:
    """Let the first Ctrl-C or SIGTERM in the block call a function, and a second one kill us."""

    def handle(*_: object) -> None:
        end()
        for number in ENDS:
            signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, handle) for number in ENDS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

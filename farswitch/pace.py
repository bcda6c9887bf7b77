"""How slow the machines are seen to be, and how much longer that lets a deadline be.

Deadlines are written for machines that have little else to do. What is measured is how long a
command takes to begin on a host over a login that is open: a channel, and a process that is started
there, whichever takes longer. It is the same work each time, so it shows a busy controller, a slow
way, a busy server and a guest that is slow alone. The slowest of the run counts for all its hosts,
as most of what is waited for involves several, and no deadline becomes shorter again.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from farswitch.deadline import stood_still

USUAL = 0.1
"""Seconds in which a command begins: some milliseconds on a server; an emulated guest on an idle
machine takes 0.03 s, at worst 0.2 s; beside four busy loops on two processors 0.09 and 0.5 s."""
MOST = 6.0
"""How many times as long a deadline becomes at most: what is really gone is noticed then, too."""
NOTED = 3.0
"""From how much on the run's report says so."""
NAMED = 4
"""Hosts that it names, the slowest first."""

_lock = threading.Lock()
_slowest: dict[str, float] = {}


def observe(host: str, seconds: float) -> None:
    """Note how long a command took to begin on a host."""
    with _lock:
        _slowest[host] = max(seconds, _slowest.get(host, 0.0))


@contextmanager
def beginning(host: str) -> Iterator[None]:
    """Measure a block in which a command begins on a host.

    One in which this program was stopped says nothing of the host.
    """
    still, began = stood_still(), monotonic()
    yield
    if stood_still() == still:
        observe(host, monotonic() - began)


def factor() -> float:
    """Return how many times as long deadlines are by now: from 1 to `MOST`."""
    with _lock:
        return _factor(max(_slowest.values(), default=0.0))


def patient(seconds: float) -> float:
    """Return a deadline for machines as slow as they were seen to be.

    Only for what a slow machine does in the end. What bounds somebody's fault, or was promised in
    seconds, keeps its length: the lock's silence, the rollback timer, the site's `boot_timeout`.

    Args:
        seconds: The deadline on machines that have little else to do.
    """
    return seconds * factor()


def whole(seconds: float) -> int:
    """Return the same in whole seconds, rounded up, as programs take them."""
    return math.ceil(patient(seconds))


def note() -> str:
    """Return the sentence that names the slow hosts; empty where nothing was slow."""
    with _lock:
        slow = {host: took for host, took in _slowest.items() if _factor(took) >= NOTED}
    if not slow:
        return ""
    names = sorted(slow, key=lambda host: slow[host], reverse=True)
    shown = ", ".join(f"'{name}'" for name in names[:NAMED])
    more = f" and {len(names) - NAMED} more" if names[NAMED:] else ""
    took = slow[names[0]]
    return (
        f"Slow: a command took up to {took:.1f} s to begin on {shown}{more} ({USUAL:g} s is usual)"
        f", so deadlines were up to {_factor(took):.0f} times as long."
    )


def forget() -> None:
    """Begin anew, as each run does."""
    with _lock:
        _slowest.clear()


def _factor(seconds: float) -> float:
    return min(MOST, max(1.0, seconds / USUAL))

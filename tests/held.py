"""What a process holds and has to give back: open files and threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from farswitch.deadline import Deadline, DeadlineError, wait_until


def held() -> set[tuple[object, str]]:
    """Return each open descriptor with what it leads to, and each thread with its name."""
    files: set[tuple[object, str]] = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one by which the folder was read
            files.add((descriptor.name, str(descriptor.readlink())))
    return files | {(thread, thread.name) for thread in threading.enumerate()}


@contextmanager
def nothing_left() -> Iterator[None]:
    """Demand that all that the block opens or starts is closed and ended soon after it.

    What stood before may go meanwhile: an earlier test's thread, say.
    """
    before = held()
    left: set[tuple[object, str]] = set()

    def given_back() -> bool:
        nonlocal left
        left = held() - before
        return not left

    yield
    with suppress(DeadlineError):
        wait_until(given_back, Deadline(5), what="The end")
    assert left == set()

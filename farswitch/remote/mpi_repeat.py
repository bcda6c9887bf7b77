"""Run a command again and again, until standard input ends: a job beside another one.

Prints a line of JSON at each start. A run that fails is the last one: then this ends as it did.
Usage: mpi_repeat.py PROGRAM [ARGUMENT...]
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress

GRACE = 5.0
"""Seconds that a launcher gets to end its processes on other nodes, before it is killed."""


def waits(child: subprocess.Popen[bytes], wake: int) -> bool:
    """Wait for the end of a run, or of the input; return whether the run came first."""
    while child.poll() is None:
        ready = select.select([0, wake], [], [])[0]
        if wake in ready:
            os.read(wake, 512)
        if 0 in ready and not os.read(0, 512):
            return False
    return True


def end(child: subprocess.Popen[bytes]) -> None:
    """End a run, with all that it has started here."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        with suppress(subprocess.TimeoutExpired):
            child.wait(GRACE)


def main() -> None:
    """Repeat it."""
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    started = 0
    while True:
        started += 1
        child = subprocess.Popen(
            sys.argv[1:],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        print(json.dumps({"started": started}), flush=True)
        if not waits(child, wake):
            end(child)
            return
        if child.returncode:
            sys.exit(f"run {started} ended with status {child.returncode}")


if __name__ == "__main__":
    main()

"""Opening libvirt's connections so that a lost or hanging one is noticed.

Only a running event loop takes note of a closed socket between two calls, and sends the
keepalives by which a call to a libvirt that hangs comes to an end.
"""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import libvirt

from farswitch.deadline import Deadline
from farswitch.pace import patient

KEEPALIVE_SECONDS, KEEPALIVE_COUNT = 5, 5
"""libvirt is taken for lost when it leaves so many keepalives, so far apart, unanswered."""
OPEN_SECONDS = 45.0
"""For libvirt's first answer."""
_GUARD = threading.Lock()
_running: list[threading.Thread] = []


def open_connection(uri: str) -> Any:
    """Return an open virConnect that answers or ends within its deadlines.

    Raises:
        libvirt.libvirtError: libvirt does not answer there.
        TimeoutError: It hangs.
    """
    _run_events()
    connection = _attempt(uri)
    with contextlib.suppress(libvirt.libvirtError):  # drivers inside this process have none
        connection.setKeepAlive(KEEPALIVE_SECONDS, KEEPALIVE_COUNT)
    return connection


def _attempt(uri: str) -> Any:
    """Open a connection; one that hangs is left to a thread, which ends when its socket does."""
    done = threading.Event()
    made: list[Any] = []
    failed: list[Exception] = []
    given_up = False

    def work() -> None:
        try:
            connection = libvirt.open(uri)
        except libvirt.libvirtError as error:
            failed.append(error)
        else:
            with _GUARD:
                made.append(connection)
                if given_up:
                    connection.close()
        done.set()

    threading.Thread(target=work, name=f"opens {uri}", daemon=True).start()
    deadline = Deadline(patient(OPEN_SECONDS))
    deadline.wait(done)
    with _GUARD:
        given_up = not (made or failed)
    if given_up:
        raise TimeoutError(f"it did not answer within {deadline.seconds:g} s")
    if failed:
        raise failed[0]
    return made[0]


def _run_events() -> None:
    """Run the event loop of this process from now on; it must exist before the first connection."""
    with _GUARD:
        if not _running:
            libvirt.virEventRegisterDefaultImpl()
            thread = threading.Thread(target=_loop, name="libvirt's events", daemon=True)
            _running.append(thread)
            thread.start()


def _loop() -> None:
    with contextlib.suppress(libvirt.libvirtError):
        while True:
            libvirt.virEventRunDefaultImpl()

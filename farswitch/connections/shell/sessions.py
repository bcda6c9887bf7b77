"""Session channels of a login: one is opened, held to a deadline, and closed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import paramiko  # type: ignore[import-untyped]

from farswitch import pace
from farswitch.connections.shell.channel_gate import gated
from farswitch.connections.shell.protocol import ConnectionLostError
from farswitch.deadline import Deadline, DeadlineError, wait_until

FAILURES = (paramiko.SSHException, OSError, EOFError)
GRACE = 2.0
"""Seconds after its deadline at which a call that still hangs takes its login down."""


class NoSessionError(TimeoutError):
    """The login lives, and sshd opens no more sessions on it."""


@contextmanager
def bounded(host: str, transport: Any, deadline: Deadline) -> Iterator[None]:
    """Hold a call to its deadline also where paramiko waits without one.

    It waits for ever for the answer to a request, and for room in a full TCP buffer. Closing the
    transport wakes it; a server that lets that happen is as good as gone.
    """
    call_off = deadline.watch(transport.close, grace=GRACE)
    try:
        yield
    except TimeoutError:
        raise
    except FAILURES as error:
        if deadline.passed():
            raise TimeoutError from error
        cause = str(error) or "the login ended"
        raise ConnectionLostError(host, cause) from error
    finally:
        call_off()


def close(channel: Any) -> None:
    """Close a channel, and take no error: else the cause of a failure gets lost."""
    with contextlib.suppress(*FAILURES):
        channel.close()


def session(host: str, transport: Any, deadline: Deadline) -> Any:
    """Open a session channel, and wait where sshd has no place for one.

    It gives a place back a moment after a session's end, and some allow less than ten. Nothing has
    begun when it refuses, so trying again is safe. Its reason is the same for all that fails.

    Raises:
        NoSessionError: sshd has had no place until the deadline.
    """

    def attempt() -> Any | None:
        try:
            with pace.beginning(host):
                return gated(transport.open_session(timeout=deadline.remaining()))
        except paramiko.SSHException:
            if not transport.is_active():
                raise
            return None

    try:
        return wait_until(attempt, deadline, what="A free session", interval=0.02)
    except DeadlineError as error:
        raise NoSessionError from error

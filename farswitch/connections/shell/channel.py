"""Bytes to and from a command on an ssh channel."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

import paramiko  # type: ignore[import-untyped]

from farswitch.connections.shell.base import OUTPUT_LIMIT
from farswitch.connections.shell.protocol import TAIL, Raw
from farswitch.deadline import Deadline

BLOCK = 1 << 16
KEPT = 1 << 16
"""Bytes of a process's standard error that are kept: its end."""


def exchange(channel: Any, stdin: bytes, deadline: Deadline) -> Raw:
    """Write the input and read both outputs side by side, then take the exit status.

    Raises:
        TimeoutError: Time is up.
        OverflowError: There was more output than we keep.
        EOFError: The login ended before the command did.
    """
    ready = threading.Event()
    channel.in_buffer.set_event(ready)
    channel.in_stderr_buffer.set_event(ready)
    channel.settimeout(deadline.remaining())
    if stdin:
        threading.Thread(target=_feed, args=(channel, stdin), daemon=True).start()
    else:
        channel.shutdown_write()
    stdout, stderr = bytearray(), bytearray()
    ended = False
    while not ended:
        ended = channel.eof_received or channel.closed
        while channel.recv_ready():
            stdout += channel.recv(BLOCK)
        while channel.recv_stderr_ready():
            stderr += channel.recv_stderr(BLOCK)
        if len(stdout) + len(stderr) > OUTPUT_LIMIT:
            raise OverflowError
        # Emptying one buffer clears the event although the other may have set it: look again.
        if not (ended or channel.recv_ready() or channel.recv_stderr_ready()):
            _wait(ready, deadline)
    _wait(channel.status_event, deadline)
    if channel.exit_status < 0 and _lost(channel):
        raise EOFError("the login ended while a command ran")
    return Raw(channel.exit_status, bytes(stdout), bytes(stderr))


def _wait(event: threading.Event, deadline: Deadline) -> None:
    if not deadline.wait(event):
        raise TimeoutError


def _lost(channel: Any) -> bool:
    """Tell a lost login from a command that a signal ended: the latter's output has an end.

    A refused channel of another thread is kept as the transport's exception too; it is no loss.
    """
    transport = channel.transport
    return (
        not channel.eof_received
        or not transport.is_active()
        or isinstance(transport.saved_exception, (EOFError, OSError))
    )


def _feed(channel: Any, data: bytes) -> None:
    """Write the input; a command that ends without reading all of it is no error."""
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        for start in range(0, len(data), BLOCK):
            channel.sendall(data[start : start + BLOCK])
        channel.shutdown_write()


class ChannelProcess:
    """A command that goes on, on a channel of its own."""

    def __init__(self, channel: Any, released: Callable[[], None]) -> None:
        self._channel = channel
        self._released = released
        self._lock = threading.Lock()
        self._errors = b""
        self._open = True

    def read(self, limit: int) -> bytes:
        """Wait for output and return at most `limit` bytes of it; none at its end."""
        block: bytes = self._channel.recv(limit)
        return block

    def write(self, data: bytes) -> None:
        """Write all of the data to the command's standard input.

        Raises:
            OSError: The command or the login ended.
        """
        try:
            self._channel.sendall(data)
        except (EOFError, paramiko.SSHException) as error:
            raise BrokenPipeError(str(error) or "the login ended") from error

    def stderr_tail(self) -> str:
        """Return the end of what the command has written to its standard error."""
        with self._lock:
            while self._channel.recv_stderr_ready():
                self._errors = (self._errors + self._channel.recv_stderr(BLOCK))[-KEPT:]
            return self._errors.decode(errors="replace")[-TAIL:]

    def close(self) -> None:
        """Close the channel: the command sees the end of its input."""
        with self._lock:
            if not self._open:
                return
            self._open = False
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self._channel.close()
        self._released()

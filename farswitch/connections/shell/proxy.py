"""A login's way through a program of this machine: ProxyJump and ProxyCommand."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Sequence

from farswitch.connections.shell.errors_file import ErrorsFile

ENDING = 2.0
"""Seconds that the program gets to end once it is asked to."""


class Proxy:
    """The far end of a program's standard streams, as a socket.

    paramiko's thread may close it while the one that logs in asks for the program's errors.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        """Start the program.

        Raises:
            OSError: It cannot be started.
        """
        self._errors = ErrorsFile()
        self._socket, far = socket.socketpair()
        with far:
            try:
                self._process = subprocess.Popen(
                    argv,
                    stdin=far.fileno(),
                    stdout=far.fileno(),
                    stderr=self._errors.fileno(),
                    start_new_session=True,
                )
            except OSError:
                self._socket.close()
                self._errors.close()
                raise

    def send(self, data: bytes, /) -> int:
        """Send some of the data and return how much."""
        return self._socket.send(data)

    def recv(self, limit: int, /) -> bytes:
        """Return at most `limit` bytes; none at the end."""
        return self._socket.recv(limit)

    def settimeout(self, seconds: float | None, /) -> None:
        """Bound each later call."""
        self._socket.settimeout(seconds)

    @property
    def _closed(self) -> bool:  # paramiko asks its sockets so
        return self._socket.fileno() < 0

    def errors(self) -> str:
        """Return the end of what the program has printed on its standard error."""
        return " ".join(self._errors.tail().split())

    def close(self) -> None:
        """Close the socket and end the program; a second call does nothing."""
        with contextlib.suppress(OSError):  # wakes whoever reads
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._process.terminate()
        try:
            self._process.wait(ENDING)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()

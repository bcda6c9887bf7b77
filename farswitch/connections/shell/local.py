"""The shell of the machine that we run on."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import subprocess
from collections.abc import Sequence
from typing import IO

from farswitch import pace
from farswitch.connections.fence import Fence
from farswitch.connections.shell.base import OUTPUT_LIMIT, Shell
from farswitch.connections.shell.errors_file import ErrorsFile
from farswitch.connections.shell.protocol import (
    PrivilegeError,
    Process,
    Raw,
    Stream,
    UnreachableError,
)
from farswitch.deadline import Deadline
from farswitch.home import user_name

BLOCK = 1 << 16
ENDING = 2.0
"""Seconds that a process gets to end by itself once its input is closed."""


class LocalShell(Shell):
    """Commands as processes of this machine; the fence is asked before each.

    Every one is put behind the prefix, as in `("ip", "netns", "exec", NAME)`.
    """

    def __init__(
        self, host: str, prefix: Sequence[str] = (), *, fence: Fence | None = None
    ) -> None:
        super().__init__(host, user=user_name(), sudo=os.geteuid() != 0)
        self.prefix = tuple(prefix)
        self._fence = fence or Fence()

    def compose(self, argv: Sequence[str], timeout: float | None = None) -> list[str]:
        """Return the command as it is run, the prefix in front of it."""
        return super().compose((*self.prefix, *argv), timeout)

    def execute(self, argv: Sequence[str], stdin: bytes, timeout: float) -> Raw:
        """Run the composed command; the whole process group ends when time is up."""
        deadline = Deadline(timeout)
        with deadline.awaited(), self._spawn(argv, stderr=subprocess.PIPE) as process:
            try:
                stdout, stderr = _exchange(process, stdin, deadline)
                status = _status(process, deadline)
            except subprocess.TimeoutExpired:
                raise TimeoutError from None
            finally:
                if process.poll() is None:
                    _kill(process)
        return Raw(status, stdout, stderr)

    def launch(self, argv: Sequence[str]) -> Process:
        """Start the composed command, which goes on until it is closed."""
        errors = ErrorsFile()
        return LocalProcess(self._spawn(argv, stderr=errors.fileno()), errors)

    def channel(self, address: str, port: int, *, timeout: float) -> Stream:
        """Return a TCP connection from this machine."""
        try:
            return socket.create_connection((address, port), timeout)
        except OSError as error:
            raise UnreachableError(self.host, address, port, error) from error

    def again(self) -> LocalShell:
        """Return another shell of this machine."""
        return LocalShell(self.host, self.prefix, fence=self._fence)

    def close(self) -> None:
        """Do nothing: there is no login."""

    def _spawn(self, argv: Sequence[str], stderr: int) -> subprocess.Popen[bytes]:
        self._fence.check()
        try:
            with pace.beginning(self.host):
                return subprocess.Popen(
                    argv,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                    bufsize=0,
                    start_new_session=True,
                )
        except FileNotFoundError as error:  # every composed command begins with sudo, or with env
            cause = f"there is no program '{argv[0]}'"
            raise PrivilegeError(self.host, self.user, cause, missing=True) from error


class LocalProcess:
    """A process of this machine."""

    def __init__(self, process: subprocess.Popen[bytes], errors: ErrorsFile) -> None:
        self._process = process
        self._errors = errors

    def read(self, limit: int) -> bytes:
        """Wait for output and return at most `limit` bytes of it; none at its end."""
        return _pipe(self._process.stdout).read(limit)

    def write(self, data: bytes) -> None:
        """Write all of the data to the process's standard input."""
        pipe, left = _pipe(self._process.stdin), memoryview(data)
        while left:
            left = left[pipe.write(left) :]

    def stderr_tail(self) -> str:
        """Return the end of what the process has written to its standard error."""
        return self._errors.tail()

    def close(self) -> None:
        """Close its input, and end the process group if that does not end it."""
        _pipe(self._process.stdin).close()
        try:
            self._process.wait(ENDING)
        except subprocess.TimeoutExpired:
            _kill(self._process)
        _pipe(self._process.stdout).close()
        self._errors.close()


def _exchange(
    process: subprocess.Popen[bytes], stdin: bytes, deadline: Deadline
) -> tuple[bytes, bytes]:
    """Write the input and read both outputs side by side until all three have ended."""
    kept = {_pipe(process.stdout): bytearray(), _pipe(process.stderr): bytearray()}
    feed, left = _pipe(process.stdin), memoryview(stdin)
    os.set_blocking(feed.fileno(), False)
    with selectors.DefaultSelector() as selector:
        for pipe in kept:
            selector.register(pipe, selectors.EVENT_READ)
        selector.register(feed, selectors.EVENT_WRITE)
        while selector.get_map():
            events = selector.select(deadline.remaining())
            if not events and deadline.passed():
                raise TimeoutError
            for key, _ in events:
                if key.fileobj is feed:
                    left = _feed(feed, left)
                    ended = not left
                else:
                    block = os.read(key.fd, BLOCK)
                    output = next(kept[pipe] for pipe in kept if pipe is key.fileobj)
                    output += block
                    ended = not block
                if ended:
                    selector.unregister(key.fileobj)
                if key.fileobj is feed and ended:
                    feed.close()
            if sum(map(len, kept.values())) > OUTPUT_LIMIT:
                raise OverflowError
    stdout, stderr = kept.values()
    return bytes(stdout), bytes(stderr)


def _status(process: subprocess.Popen[bytes], deadline: Deadline) -> int:
    while True:
        try:
            return process.wait(deadline.remaining())
        except subprocess.TimeoutExpired:
            if deadline.passed():
                raise


def _feed(pipe: IO[bytes], left: memoryview) -> memoryview:
    try:
        return left[os.write(pipe.fileno(), left[:BLOCK]) :] if left else left
    except BrokenPipeError:  # the command does not want the rest
        return left[:0]


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the process group; with sudo it is root's, and the far `timeout` ends it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(ENDING)


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise AssertionError("Popen was called without this pipe")
    return pipe

"""What a command gives back, and how it fails."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from farswitch.errors import ConfigError, FarswitchError

TAIL = 400
"""Characters of a command's standard error that a message quotes."""
NO_PROGRAM = 127
"""A shell's status when there is no such program (POSIX, XCU 2.8.2)."""
LONGEST_LINE = 1 << 20
"""Bytes that we wait for of one answer of a program that goes on."""


class Stream(Protocol):
    """What SSH can run a login over: a socket, or a channel of another login."""

    def send(self, data: bytes, /) -> int:
        """Send some of the data and return how much."""
        ...

    def recv(self, limit: int, /) -> bytes:
        """Return at most `limit` bytes; none at the end."""
        ...

    def settimeout(self, seconds: float | None, /) -> None:
        """Bound each later call."""
        ...

    def close(self) -> None:
        """Close both directions."""
        ...


@dataclass(frozen=True, slots=True)
class Raw:
    """What a program gave back, in bytes."""

    status: int
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True, slots=True)
class Completed:
    """A command that ended; a negative status means that a signal ended it."""

    argv: tuple[str, ...]
    status: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A file as it is: its bytes, its permission bits, and `user:group`.

    What prints it leaves its bytes out: some files are private keys.
    """

    content: bytes = field(repr=False)
    mode: int
    owner: str


@dataclass(frozen=True, slots=True)
class FileDigest:
    """A file as it is: the SHA-256 of its bytes in hexadecimal, its permission bits, `user:group`.

    What is no regular file has an empty digest.
    """

    sha256: str
    mode: int
    owner: str


class Process(Protocol):
    """A command that goes on, such as the netlink relay."""

    def read(self, limit: int) -> bytes:
        """Wait for output and return at most `limit` bytes of it; none at its end."""
        ...

    def write(self, data: bytes) -> None:
        """Write all of the data to the command's standard input."""
        ...

    def stderr_tail(self) -> str:
        """Return the end of what the command has written to its standard error."""
        ...

    def close(self) -> None:
        """End the command; a second call does nothing."""
        ...


class CommandError(FarswitchError):
    """A command ended with a status other than 0."""

    def __init__(
        self, host: str, argv: Sequence[str], status: int, stderr: str, *, hint: str = ""
    ) -> None:
        error = stderr.strip()[-TAIL:] or "it wrote no error"
        super().__init__(
            f"Command '{shown(argv)}' on '{host}' ended with status {status}: {error}", hint=hint
        )
        self.host = host
        self.argv = tuple(argv)
        self.status = status
        self.stderr = stderr


class LoginShellError(ConfigError):
    """A login runs no commands, or not as they are given: nothing was run."""

    def __init__(self, host: str, message: str, *, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.host = host


class PrivilegeError(ConfigError):
    """The login's user may not run commands as root without a password: nothing was run."""

    def __init__(self, host: str, user: str, stderr: str, *, missing: bool = False) -> None:
        super().__init__(
            f"The user on '{host}' may not run commands as root: {stderr.strip()[-TAIL:]}",
            hint=_sudo_hint(user, stderr, missing=missing),
        )
        self.host = host
        self.stderr = stderr


def _sudo_hint(user: str, stderr: str, *, missing: bool) -> str:
    """Return what to do about what sudo, or a shell that has none, printed."""
    if missing:
        return "Install sudo there and allow it without a password (NOPASSWD), or log in as root."
    line = f"{user} ALL=(root) NOPASSWD: /usr/bin/env"
    if "tty" in stderr:
        line = f"Defaults:{user} !requiretty"
    return f"Log in as root, or put this line at the end of sudoers there: {line}"


class OutputLimitError(FarswitchError):
    """A command or a file gave more bytes than we keep."""

    def __init__(self, host: str, what: str, limit: int) -> None:
        super().__init__(f"{what} on '{host}' gave more than {limit} bytes.")
        self.host = host
        self.limit = limit


class CommandTimeoutError(FarswitchError):
    """A command had not ended when its time was up."""

    def __init__(self, host: str, argv: Sequence[str], seconds: float) -> None:
        super().__init__(
            f"Command '{shown(argv)}' on '{host}' did not end within {seconds:g} s.",
            hint=f"Look whether '{host}' still answers.",
        )
        self.host = host
        self.argv = tuple(argv)
        self.seconds = seconds


class ConnectionLostError(FarswitchError):
    """The login ended, or could not be made."""

    def __init__(self, host: str, cause: str, *, hint: str = "") -> None:
        super().__init__(f"No connection to '{host}': {cause}", hint=hint)
        self.host = host
        self.cause = cause


class UnreachableError(ConnectionLostError):
    """The host is there, but no TCP connection starts there to where one was asked for.

    `prohibited`: the host's sshd refused, and did not try.
    """

    def __init__(
        self,
        host: str,
        address: str,
        port: int,
        error: Exception,
        *,
        hint: str = "",
        prohibited: bool = False,
    ) -> None:
        self.prohibited = prohibited
        self.target = f"{address} port {port}: {error}"
        super().__init__(host, f"it does not reach {self.target}", hint=hint)


class HostKeyError(FarswitchError):
    """The key that a host showed is unknown, or not the one we know."""

    def __init__(self, host: str, found: str, wanted: str, *, hint: str) -> None:
        known = f"we know {wanted}" if wanted else "we know none for it"
        super().__init__(f"The host key of '{host}' is {found}, but {known}.", hint=hint)
        self.host = host
        self.found = found
        self.wanted = wanted


def shown(argv: Sequence[str]) -> str:
    """Return the command as one would type it, cut to a line."""
    text = " ".join(shlex.join(argv).split())
    return text if len(text) <= TAIL else f"{text[:TAIL]}…"

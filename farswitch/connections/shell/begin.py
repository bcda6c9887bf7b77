r"""Where a command's own output begins: behind what login shells and sudo print before it.

A login shell reads its start-up files before each command, and they may print; so may sshd's
`~/.ssh/rc`, and sudo. So each command is begun by a shell of its own, as root already, that prints
a mark on both outputs. What stands before the mark is no part of what the command says, and where
there is no mark, no command was begun.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from string import ascii_letters, digits

from farswitch.connections.shell.protocol import Process

MARK = b"\x1efarswitch\x1e"
"""The command has escapes in its place: a shell that shows what it runs does not print it."""
_MARKED = (
    "umask 022; PATH=$PATH:/usr/sbin:/sbin; export PATH; "
    r'''printf '\036farswitch\036' >&2; printf '\036farswitch\036'; exec "$@"'''
)
"""A hardened machine's umask, or sudo's, would close the folders that we make to everybody else,
and a user's PATH often lacks the folders of `nft` and `ip`. Last, as root, it holds on all ways."""
BEGIN = ("sh", "-c", _MARKED, "sh")
"""What stands before a command's words."""
NOISE_LIMIT = 1 << 20
"""Bytes that may come before a command's own output."""
_PLAIN = frozenset(f"{ascii_letters}{digits} _./:=,+@%-")
_DECODE = 'eval "exec $(printf %b "$1")"'


def login_line(argv: Sequence[str]) -> str:
    """Return the line by which any login shell becomes the command.

    In single quotes csh knows `!` and line ends, and fish knows the backslash: so the command's
    words come as letters, digits and octal escapes, and a POSIX shell reads them.
    """
    text = shlex.join(argv)
    words = "".join(char if char in _PLAIN else _octal(char) for char in text)
    return f"exec /bin/sh -c '{_DECODE}' sh '{words}'"


def _octal(char: str) -> str:
    return "".join(f"\\0{byte:03o}" for byte in char.encode())


class OwnOutput:
    """A process whose output is read from its mark on."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._before = b""
        self._own: bytes | None = None

    def read(self, limit: int) -> bytes:
        """Wait for output and return at most `limit` bytes of it; none at its end."""
        while self._own is None:
            block = self._process.read(limit)
            before, mark, own = (self._before + block).partition(MARK)
            if mark:
                self._own = own
            elif not block or len(before) > NOISE_LIMIT:
                return b""
            self._before = before
        if self._own:
            block, self._own = self._own[:limit], self._own[limit:]
            return block
        return self._process.read(limit)

    def write(self, data: bytes) -> None:
        """Write all of the data to the command's standard input."""
        self._process.write(data)

    def stderr_tail(self) -> str:
        """Return the end of what it has written to its standard error."""
        return self._process.stderr_tail().rpartition(MARK.decode())[2]

    def close(self) -> None:
        """End the command; a second call does nothing."""
        self._process.close()

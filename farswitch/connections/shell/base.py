"""Commands and files of a host, on top of one thing: run these bytes through this program.

Files do not go by SFTP: it has no sync of a folder, and paramiko's has neither sync nor a mode at
creation, so that a secret would be readable for a moment. One script is one round trip, and is
the same locally, over ssh and behind sudo.
"""

from __future__ import annotations

import io
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from stat import S_IMODE, S_ISREG

from farswitch.connections.shell.protocol import (
    CommandError,
    CommandTimeoutError,
    Completed,
    FileFacts,
    OutputLimitError,
    PrivilegeError,
    Process,
    Stream,
)
from farswitch.remote import script

OUTPUT_LIMIT = 64 << 20
"""Bytes of output that we keep of one command."""
FILE_LIMIT = 16 << 20
"""Bytes of one file that we compare with what it should be: ours have less than one MiB."""
FILE_SECONDS = 60.0
"""For reading or replacing a file, its way to the server included."""
NO_FILE = 66
"""Our scripts' status when a file is not there (EX_NOINPUT of sysexits.h)."""
NO_PROGRAM = 127
"""A shell's status when there is no such program (POSIX, XCU 2.8.2)."""

READ, FACTS, REPLACE = script("file_read"), script("file_facts"), script("file_replace")


@dataclass(frozen=True, slots=True)
class Raw:
    """What a program gave back, in bytes."""

    status: int
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True, slots=True)
class _Stat:
    """What FACTS prints of a file that is there."""

    size: int
    mode: int
    owner: str
    file: bool

    @classmethod
    def parse(cls, line: bytes) -> _Stat:
        size, mode, owner = line.decode().split(" ", 2)
        bits = int(mode, 16)
        return cls(int(size), S_IMODE(bits), owner, S_ISREG(bits))


class Shell(ABC):
    """Commands and files of one host; every method may be called from many threads at once."""

    def __init__(self, host: str, *, sudo: bool) -> None:
        self.host = host
        self.sudo = sudo

    @abstractmethod
    def execute(self, argv: Sequence[str], stdin: bytes, timeout: float) -> Raw:
        """Run the composed command; `timeout` bounds everything.

        Raises:
            TimeoutError: Time is up.
            OverflowError: There was more output than `OUTPUT_LIMIT`.
            ConnectionLostError: The login ended, or could not be made.
        """

    @abstractmethod
    def start(self, argv: Sequence[str]) -> Process:
        """Start a command as root that goes on until it is closed."""

    @abstractmethod
    def channel(self, address: str, port: int, *, timeout: float) -> Stream:
        """Return a TCP connection that starts at this host."""

    @abstractmethod
    def again(self) -> Shell:
        """Return a shell of the same host with a login of its own, made at its first call."""

    @abstractmethod
    def close(self) -> None:
        """Close the login; no later call makes a new one."""

    def compose(self, argv: Sequence[str], timeout: float | None = None) -> list[str]:
        """Return the command as it is run: as root, in English, and bounded over there too.

        The far `timeout` ends a command whose login was lost. It starts later than ours and is
        rounded up, so ours is always the one to raise.
        """
        composed = ["sudo", "-n", "--"] if self.sudo else []
        composed += ["env", "LC_ALL=C"]
        # The first env speaks the login's language yet, also when a program is missing.
        bounded = ["env"] if timeout is None else ["timeout", "-k", "2", str(math.ceil(timeout))]
        return [*composed, *bounded, *argv]

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | str = b"",
        timeout: float = 30.0,
        check: bool = True,
    ) -> Completed:
        """Run a command as root and wait for its end.

        Args:
            argv: The program and its arguments; nothing in them is interpreted by a shell.
            stdin: What the command reads.
            timeout: Seconds for everything, the start and the input included.
            check: Raise when the status is not 0.

        Raises:
            CommandError: The status is not 0 and `check` is set.
            CommandTimeoutError: Time is up; the command was ended.
            ConnectionLostError: The login ended, or could not be made. Whether a command that had
                started did its work is not known: observe again, then decide.
            OutputLimitError: The command wrote more than we keep.
            PrivilegeError: The user may not become root without a password.
        """
        raw = self._raw(argv, stdin.encode() if isinstance(stdin, str) else stdin, timeout)
        stdout, stderr = raw.stdout.decode(errors="replace"), raw.stderr.decode(errors="replace")
        if check and raw.status != 0:
            raise CommandError(self.host, argv, raw.status, stderr)
        return Completed(tuple(argv), raw.status, stdout, stderr)

    def read(self, path: str, *, limit: int = 1 << 20) -> bytes | None:
        """Return a file's content, or None when there is no such file.

        Raises:
            OutputLimitError: The file has more than `limit` bytes.
        """
        raw = self._script(READ, path, str(limit + 1))
        if raw.status == NO_FILE:
            return None
        if len(raw.stdout) > limit:
            raise OutputLimitError(self.host, f"File '{path}'", limit)
        return raw.stdout

    def write(
        self, path: str, content: bytes, *, mode: int = 0o644, owner: str = "root:root"
    ) -> None:
        """Replace a file whole: written beside, synced, renamed, the folder made and synced."""
        self._script(REPLACE, path, f"{mode:04o}", owner, str(len(content)), stdin=content)

    def remove(self, path: str) -> bool:
        """Remove a file; return whether it was there."""
        return self._script(REPLACE, path).status != NO_FILE

    def facts(self, paths: Sequence[str]) -> dict[str, FileFacts | None]:
        """Return what is known of each file in one round trip; None when it is not there.

        Raises:
            OutputLimitError: A file is larger than anything that we write.
        """
        printed = self._script(FACTS, str(FILE_LIMIT + 1), *paths).stdout
        *flags, printed = printed.split(b"\n", len(paths))
        there = [path for path, flag in zip(paths, flags, strict=False) if flag == b"1"]
        *lines, contents = printed.split(b"\n", len(there))
        stats = {path: _Stat.parse(line) for path, line in zip(there, lines, strict=True)}
        sizes = {path: stat.size for path, stat in stats.items() if stat.file}
        for path, size in sizes.items():
            if size > FILE_LIMIT:
                raise OutputLimitError(self.host, f"File '{path}'", FILE_LIMIT)
        content = self._contents(sizes, contents)
        facts: dict[str, FileFacts | None] = dict.fromkeys(paths)
        for path, stat in stats.items():
            facts[path] = FileFacts(content.get(path, b""), stat.mode, stat.owner)
        return facts

    def _contents(self, sizes: Mapping[str, int], joined: bytes) -> dict[str, bytes]:
        """Cut joined files apart; read each alone where one changed meanwhile, or is of /proc."""
        if len(joined) != sum(sizes.values()):
            return {path: self.read(path, limit=OUTPUT_LIMIT) or b"" for path in sizes}
        stream = io.BytesIO(joined)
        return {path: stream.read(size) for path, size in sizes.items()}

    def _script(self, text: str, *arguments: str, stdin: bytes = b"") -> Raw:
        argv = ("sh", "-c", text, "sh", *arguments)
        raw = self._raw(argv, stdin, FILE_SECONDS)
        if raw.status not in {0, NO_FILE}:
            about = ("sh", "-c", "…", *arguments)
            raise CommandError(self.host, about, raw.status, raw.stderr.decode(errors="replace"))
        return raw

    def _raw(self, argv: Sequence[str], stdin: bytes, timeout: float) -> Raw:
        try:
            raw = self.execute(self.compose(argv, timeout), stdin, timeout)
        except TimeoutError:
            raise CommandTimeoutError(self.host, argv, timeout) from None
        except OverflowError:
            raise OutputLimitError(self.host, f"Command '{argv[0]}'", OUTPUT_LIMIT) from None
        if self.sudo and _refused(raw):
            raise PrivilegeError(self.host, raw.stderr.decode(errors="replace"))
        return raw


def _refused(raw: Raw) -> bool:
    """Return whether sudo refused the user, or is not there to be asked."""
    refused = raw.status == 1 and raw.stderr.startswith(b"sudo: ")
    return refused or (raw.status == NO_PROGRAM and b"sudo: " in raw.stderr)

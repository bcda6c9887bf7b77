"""Commands and files of a host, on top of one thing: run these bytes through this program.

Files do not go by SFTP: it has no sync of a folder, and paramiko's has neither sync nor a mode at
creation, so that a secret would be readable for a moment. One script is one round trip, and is
the same locally, over ssh and behind sudo.
"""

from __future__ import annotations

import io
import math
import secrets
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from stat import S_IMODE, S_ISREG
from time import monotonic

from farswitch.connections.shell import together
from farswitch.connections.shell.begin import BEGIN, MARK, OwnOutput
from farswitch.connections.shell.login_shell import not_begun
from farswitch.connections.shell.protocol import (
    CommandError,
    CommandTimeoutError,
    Completed,
    FileDigest,
    FileFacts,
    OutputLimitError,
    Process,
    Raw,
    Stream,
)
from farswitch.pace import patient
from farswitch.remote import script

OUTPUT_LIMIT = 64 << 20
"""Bytes of output that we keep of one command."""
FILE_LIMIT = 16 << 20
"""Bytes of one file that we compare with what it should be: ours have less than one MiB."""
FILE_SECONDS = 60.0
"""For reading or replacing a file, its way to the server included."""
SHA256 = 64
"""Hexadecimal digits of a digest."""
NO_FILE = 66
"""Our scripts' status when a file is not there (EX_NOINPUT of sysexits.h)."""
ENDED = {124, 137}
"""The status of the far `timeout` when it ended a command: by SIGTERM, by SIGKILL (timeout(1))."""

READ, FACTS, REPLACE = script("file_read"), script("file_facts"), script("file_replace")


def digests_script(paths: Sequence[str]) -> tuple[str, ...]:
    """Return the script that prints what is known of files but their bytes, and its arguments."""
    return (FACTS, "sha256", *paths)


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


def _stats(printed: bytes, paths: Sequence[str]) -> tuple[dict[str, _Stat], bytes]:
    """Return what FACTS printed of each file that is there, and what follows of their bytes."""
    *flags, printed = printed.split(b"\n", len(paths))
    there = [path for path, flag in zip(paths, flags, strict=False) if flag == b"1"]
    *lines, contents = printed.split(b"\n", len(there))
    return dict(zip(there, map(_Stat.parse, lines), strict=True)), contents


def digests_printed(printed: bytes, paths: Sequence[str]) -> dict[str, FileDigest | None]:
    """Return what `digests_script` printed of the same paths; None of a file that is not there."""
    stats, lines = _stats(printed, paths)
    files = [path for path, stat in stats.items() if stat.file]
    # sha256sum marks a line whose path it had to escape (GNU coreutils, "md5sum invocation").
    sums = (line.removeprefix("\\")[:SHA256] for line in lines.decode().splitlines())
    digest = dict(zip(files, sums, strict=True))
    digests: dict[str, FileDigest | None] = dict.fromkeys(paths)
    for path, stat in stats.items():
        digests[path] = FileDigest(digest.get(path, ""), stat.mode, stat.owner)
    return digests


class Shell(ABC):
    """Commands and files of one host; every method may be called from many threads at once."""

    def __init__(self, host: str, *, user: str, sudo: bool) -> None:
        self.host = host
        self.user = user
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
    def launch(self, argv: Sequence[str]) -> Process:
        """Start the composed command, which goes on until it is closed."""

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
        rounded up, so ours is the one to raise, unless we are stopped meanwhile.
        """
        # Without -k a password that was typed lately would do, for the time that it is remembered.
        composed = ["sudo", "-k", "-n", "--"] if self.sudo else []
        composed += ["env", "LC_ALL=C"]
        # The first env speaks the login's language yet, also when a program is missing.
        bounded = ["env"] if timeout is None else ["timeout", "-k", "2", str(math.ceil(timeout))]
        return [*composed, *BEGIN, *bounded, *argv]

    def start(self, argv: Sequence[str]) -> Process:
        """Start a command as root that goes on until it is closed."""
        return OwnOutput(self.launch(self.compose(argv)))

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
            timeout: Seconds for everything, the start and the input included; more of them where
                machines are slow, see `farswitch.pace`.
            check: Raise when the status is not 0.

        Raises:
            CommandError: The status is not 0 and `check` is set.
            CommandTimeoutError: Time is up; the command was ended.
            ConnectionLostError: The login ended, or could not be made. Whether a command that had
                started did its work is not known: observe again, then decide.
            OutputLimitError: The command wrote more than we keep.
            LoginShellError: The login runs no commands.
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
        stats, contents = _stats(printed, paths)
        sizes = {path: stat.size for path, stat in stats.items() if stat.file}
        for path, size in sizes.items():
            if size > FILE_LIMIT:
                raise OutputLimitError(self.host, f"File '{path}'", FILE_LIMIT)
        content = self._contents(sizes, contents)
        facts: dict[str, FileFacts | None] = dict.fromkeys(paths)
        for path, stat in stats.items():
            facts[path] = FileFacts(content.get(path, b""), stat.mode, stat.owner)
        return facts

    def digests(self, paths: Sequence[str]) -> dict[str, FileDigest | None]:
        """Return the digest of each file in one round trip; None when it is not there."""
        return digests_printed(self._script(*digests_script(paths)).stdout, paths)

    def together(self, scripts: Sequence[Sequence[str]]) -> list[Raw]:
        """Run shell scripts one after the other in one round trip, whatever becomes of each.

        Args:
            scripts: The text of each, and its arguments; they read nothing.

        Raises:
            CommandError: They did not all run.
        """
        mark = secrets.token_hex(16)
        raw = self._raw(together.command(mark, scripts), b"", FILE_SECONDS)
        try:
            return together.split(raw, mark, len(scripts))
        except ValueError as error:
            about, stderr = ("sh", "-c", "…"), raw.stderr.decode(errors="replace")
            raise CommandError(self.host, about, raw.status, f"{error}: {stderr}") from error

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
        timeout, began = patient(timeout), monotonic()
        try:
            raw = self.execute(self.compose(argv, timeout), stdin, timeout)
        except TimeoutError:
            raise CommandTimeoutError(self.host, argv, timeout) from None
        except OverflowError:
            raise OutputLimitError(self.host, f"Command '{argv[0]}'", OUTPUT_LIMIT) from None
        if raw.status in ENDED and monotonic() - began >= timeout:  # we were stopped meanwhile
            raise CommandTimeoutError(self.host, argv, timeout)
        (_, begun, stdout), (_, _, stderr) = raw.stdout.partition(MARK), raw.stderr.partition(MARK)
        if not begun:
            raise not_begun(self.host, self.user, raw, sudo=self.sudo)
        return Raw(raw.status, stdout, stderr)

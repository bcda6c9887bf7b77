"""A user's own commands and files on a guest: run and copied as that user, and bounded."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError

from farswitch.connections.shell.base import Shell
from farswitch.connections.shell.protocol import CommandTimeoutError
from farswitch.errors import FarswitchError
from farswitch.remote import command, shell_command

KEPT = 4 << 20
"""Bytes that are kept of each output of one command: as JSON they are six times as many at most,
and both fit into what we read of a program."""
REPORT_SECONDS = 30.0
"""For a command's start and the report of its end: an emulated guest takes 0.5 s."""


class CommandReport(BaseModel):
    """How a command ended on a guest.

    Attributes:
        status: Its exit status, negative for a signal; None where its time was up.
        late: Its time was up: it was ended, with all that it had started.
        cut: It printed more than is kept.
    """

    model_config = ConfigDict(frozen=True)

    status: int | None
    stdout: str
    stderr: str
    late: bool
    cut: bool


def run_line(login: Shell, line: str, user: str, seconds: float) -> CommandReport:
    """Run a line of shell in a session of a user's, and return how it ended.

    Raises:
        FarswitchError: The guest did not report.
    """
    argv = command("guest_command", user, f"{seconds:g}", str(KEPT), line)
    try:
        printed = login.run(argv, timeout=seconds + REPORT_SECONDS).stdout
        return CommandReport.model_validate_json(printed)
    except CommandTimeoutError as error:
        raise FarswitchError(
            f"Guest '{login.host}' did not report how the command ended, {error.seconds:.0f} s "
            "after its start.",
            hint=f"Look whether it lives: farswitch status {login.host}",
        ) from error
    except ValidationError as error:
        raise FarswitchError(f"Guest '{login.host}' reported {printed[:200]!r}.") from error


def copy_in(
    login: Shell, path: str, name: str, user: str, content: tuple[str, bytes] | None, *,
    seconds: float, look: bool,
) -> tuple[bool, str]:  # fmt: skip
    """Give a user a file, its mode in octal digits and its bytes, or remove it where it is None.

    Return whether that is a change, and the file's path. With `look` nothing is done.

    Raises:
        CommandError: It cannot be written there.
        FarswitchError: Its time was up.
    """
    mode, data = content or ("", b"")
    words = ["look" if look else "act", path, name, *([mode, str(len(data))] if content else [])]
    argv = ["runuser", "-u", user, "--", *shell_command("copy_in", *words)]
    try:
        printed = login.run(argv, stdin=data, timeout=seconds).stdout
    except CommandTimeoutError as error:
        raise FarswitchError(
            f"'{name}' was not copied to '{login.host}' within {error.seconds:g} s.",
            hint="More time: --timeout",
        ) from error
    change, _, where = printed.rstrip("\n").partition(" ")
    return change != "none", where

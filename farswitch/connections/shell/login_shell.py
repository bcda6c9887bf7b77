"""What a login is good for: whether it runs commands, as root, and leaves their input alone."""

from __future__ import annotations

from farswitch.connections.shell.begin import MARK
from farswitch.connections.shell.protocol import (
    NO_PROGRAM,
    TAIL,
    LoginShellError,
    PrivilegeError,
    Raw,
)
from farswitch.errors import ConfigError

ECHO = ("sh", "-c", 'while read -r line; do printf "%s\\n" "$line"; done')
INPUT = b"# farswitch\n" * 4
"""What a login's first command is to give back, by `ECHO`, which needs no other program. A shell
that was started in its place, and reads its commands here, takes it for comments."""

SESSIONS = 2
"""At once, on a login: one holds the lock as long as a run lasts, one runs commands."""


def not_begun(host: str, user: str, raw: Raw, *, sudo: bool) -> ConfigError:
    """Return why a command has not begun: sudo, or the login shell and what it reads."""
    if sudo and b"sudo" in raw.stderr:
        lines = raw.stderr.decode(errors="replace").splitlines()
        words = "; ".join(line for line in lines if "sudo" in line)
        return PrivilegeError(host, user, words, missing=raw.status == NO_PROGRAM)
    printed = _quoted(raw.stdout + raw.stderr)
    return LoginShellError(
        host,
        f"The login of '{user}' on '{host}' runs no commands: it ended with status {raw.status} "
        f"and printed {printed or 'nothing'}.",
        hint=f"Look there at the user's shell (getent passwd {user}), at what it reads at its "
        "start (such as ~/.bashrc), at ForceCommand in sshd_config, and at command= in "
        "~/.ssh/authorized_keys.",
    )


def input_was_read(host: str, user: str, raw: Raw) -> LoginShellError:
    """Return the error about a start-up file that reads what a command was to read."""
    printed = _quoted(raw.stdout.partition(MARK)[0] + raw.stderr.partition(MARK)[0])
    prints = f" and prints {printed}" if printed else ""
    return LoginShellError(
        host,
        f"What the login shell of '{user}' on '{host}' reads at its start takes the input of "
        f"commands{prints}.",
        hint=f"Make it end where nobody types: begin ~{user}/.bashrc there, or the file that "
        "reads, with the line: case $- in *i*) ;; *) return ;; esac",
    )


def nothing_begins(
    host: str, user: str, seconds: float, command: str, cause: str = ""
) -> LoginShellError:
    """Return the error about a login that keeps us waiting, or refuses to run anything.

    `command` is the one by which the user would log in.
    """
    what = f"refuses to: {cause}" if cause else f"had not begun one after {seconds:g} s"
    return LoginShellError(
        host,
        f"The login of '{user}' on '{host}' runs no commands: it {what}.",
        hint=f"Look how long this takes, and why: {command} true",
    )


def too_few_sessions(host: str, user: str, found: int) -> LoginShellError:
    """Return the error about an sshd that runs fewer commands at once than a run needs."""
    return LoginShellError(
        host,
        f"The login of '{user}' on '{host}' has room for {found} sessions at once, wanted at least "
        f"{SESSIONS}: its sshd has MaxSessions {found}.",
        hint=f"Append these lines to /etc/ssh/sshd_config of '{host}' and restart its sshd:\n"
        f"Match User {user}\n"
        "    MaxSessions 10",
    )


def _quoted(printed: bytes) -> str:
    text = " ".join(printed.decode(errors="replace").split())[-TAIL:]
    return f"'{text}'" if text else ""

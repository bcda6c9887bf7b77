"""The first command of a login, which shows what the others may be trusted with."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import paramiko  # type: ignore[import-untyped]

from farswitch.connections.shell.base import Shell
from farswitch.connections.shell.begin import MARK, login_line
from farswitch.connections.shell.channel import exchange
from farswitch.connections.shell.channel_gate import gated
from farswitch.connections.shell.login import LOGIN_SECONDS
from farswitch.connections.shell.login_shell import (
    ECHO,
    INPUT,
    SESSIONS,
    input_was_read,
    not_begun,
    nothing_begins,
    too_few_sessions,
)
from farswitch.connections.shell.sessions import FAILURES, bounded, close
from farswitch.deadline import Deadline
from farswitch.pace import patient


def try_login(shell: Shell, transport: Any, command: str) -> None:
    """Let a shell's new login give back what it reads; `command` would log the user in.

    Raises:
        LoginShellError: It runs no commands, or only one at once, or something reads their input
            before them.
        PrivilegeError: The user may not become root without a password.
        ConnectionLostError: The login ended.
    """
    host, user, deadline = shell.host, shell.user, Deadline(patient(LOGIN_SECONDS))
    try:
        with ExitStack() as bounds:
            bounds.enter_context(bounded(host, transport, deadline))
            channel, *others = _sessions(host, user, transport, deadline)
            bounds.callback(close, channel)
            for other in others:
                close(other)
            try:
                channel.exec_command(login_line(shell.compose(ECHO)))
            except FAILURES as error:
                if not transport.is_active():
                    raise
                raise nothing_begins(host, user, deadline.seconds, command, str(error)) from error
            raw = exchange(channel, INPUT, deadline)
    except (TimeoutError, OverflowError):
        raise nothing_begins(host, user, deadline.seconds, command) from None
    _, begun, output = raw.stdout.partition(MARK)
    if not begun:
        raise not_begun(host, user, raw, sudo=shell.sudo)
    if output != INPUT:
        raise input_was_read(host, user, raw)


def _sessions(host: str, user: str, transport: Any, deadline: Deadline) -> list[Any]:
    """Open as many sessions at once as a run needs: a new login has all that sshd allows."""
    opened: list[Any] = []
    while len(opened) < SESSIONS:
        try:
            opened.append(gated(transport.open_session(timeout=deadline.remaining())))
        except paramiko.ChannelException:
            raise too_few_sessions(host, user, len(opened)) from None
    return opened

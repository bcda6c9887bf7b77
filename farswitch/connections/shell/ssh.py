"""The shell of a host behind ssh: exec channels of one login."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, cast

import paramiko  # type: ignore[import-untyped]

from farswitch import pace
from farswitch.connections.fence import Fence
from farswitch.connections.shell.base import Shell
from farswitch.connections.shell.begin import login_line
from farswitch.connections.shell.channel import ChannelProcess, exchange
from farswitch.connections.shell.channel_gate import gated
from farswitch.connections.shell.login import LOGIN_SECONDS, Login
from farswitch.connections.shell.login_errors import ssh_command
from farswitch.connections.shell.protocol import (
    CommandTimeoutError,
    ConnectionLostError,
    Process,
    Raw,
    Stream,
    UnreachableError,
)
from farswitch.connections.shell.sessions import FAILURES, bounded, close, session
from farswitch.connections.shell.target import Target
from farswitch.connections.shell.try_login import try_login
from farswitch.deadline import Deadline
from farswitch.pace import patient

COMMANDS, PROCESSES = 5, 4
"""Session channels at once, of the 10 that sshd allows a login (MaxSessions). What goes on has
slots of its own, so that a thread which holds one can always run a command."""
PROHIBITED = 1
"""SSH_OPEN_ADMINISTRATIVELY_PROHIBITED (RFC 4254, section 5.1)."""


class SshShell(Shell):
    """Commands over one login, which the first call after a loss makes anew.

    A command that was under way when the login was lost is not run again: what it did is unknown.
    The fence is asked before each.
    """

    def __init__(self, target: Target, fence: Fence | None = None) -> None:
        super().__init__(target.host, user=target.user, sudo=target.user != "root")
        self._target = target
        self._fence = fence or Fence()
        self._login: Login | None = None
        self._closed = False
        self._tried = False
        self._lock = threading.Lock()
        self._commands = threading.BoundedSemaphore(COMMANDS)
        self._processes = threading.BoundedSemaphore(PROCESSES)

    def open(self) -> None:
        """Log in now, and not at the first command."""
        self._transport()

    def execute(self, argv: Sequence[str], stdin: bytes, timeout: float) -> Raw:
        """Run the composed command on a channel of its own."""
        deadline = Deadline(timeout)
        if not self._commands.acquire(timeout=deadline.remaining()):
            raise TimeoutError
        try:
            with deadline.awaited(), ExitStack() as bounds:
                channel = self._begin(bounds, argv, deadline)
                bounds.callback(close, channel)
                return exchange(channel, stdin, deadline)
        finally:
            self._commands.release()

    def launch(self, argv: Sequence[str]) -> Process:
        """Start the composed command, which goes on until it is closed."""
        deadline = Deadline(patient(LOGIN_SECONDS))
        if not self._processes.acquire(timeout=deadline.remaining()):
            raise ConnectionLostError(self.host, f"{PROCESSES} processes hold its channels")
        try:
            with ExitStack() as bounds:
                channel = self._begin(bounds, argv, deadline)
        except TimeoutError:
            self._processes.release()
            raise CommandTimeoutError(self.host, argv, deadline.seconds) from None
        except BaseException:
            self._processes.release()
            raise
        return ChannelProcess(channel, self._processes.release)

    def channel(self, address: str, port: int, *, timeout: float) -> Stream:
        """Return a TCP connection from the host, as a channel of this login."""
        transport = self._transport()
        try:
            opened = transport.open_channel(
                "direct-tcpip", (address, port), ("127.0.0.1", 0), timeout=timeout
            )
        except FAILURES as error:
            refused = isinstance(error, paramiko.ChannelException) and error.code == PROHIBITED
            hint = f"sshd of '{self.host}' allows no forwarding: AllowTcpForwarding, PermitOpen."
            raise UnreachableError(
                self.host, address, port, error, hint=hint if refused else "", prohibited=refused
            ) from error
        return cast("Stream", gated(opened))

    def again(self) -> SshShell:
        """Return a shell of the same host with a login of its own, made at its first call."""
        return SshShell(self._target, self._fence)

    def close(self) -> None:
        """Log out; no later call logs in again."""
        with self._lock:
            self._closed = True
            if self._login is not None:
                self._login.close()
                self._login = None

    def _begin(self, bounds: ExitStack, argv: Sequence[str], deadline: Deadline) -> Any:
        """Start a command on a channel of its own; the login's shell becomes it.

        The fence comes when the channel is open: from then on the channel ends with the lock.
        `bounds` hold to the deadline whatever is done in them.
        """
        channel = self._channel(bounds, deadline)
        try:
            self._fence.check()
            with pace.beginning(self.host):
                channel.exec_command(login_line(argv))
        except BaseException:
            close(channel)
            raise
        return channel

    def _channel(self, bounds: ExitStack, deadline: Deadline, *, again: bool = True) -> Any:
        """Return a new session channel.

        Where none opens because the login has ended, nothing has begun: it is made anew, once. But
        a lost lock ends its login too, and is the cause to name.
        """
        transport = self._transport()
        bounds.enter_context(bounded(self.host, transport, deadline))
        try:
            return session(self.host, transport, deadline)
        except FAILURES as error:
            if not again or isinstance(error, TimeoutError) or deadline.passed():
                raise
            self._fence.check()
        transport.close()  # paramiko wakes whoever waits before it notes the end itself
        return self._channel(bounds, deadline, again=False)

    def _transport(self) -> Any:
        with self._lock:
            if self._closed:
                raise ConnectionLostError(self.host, "the connection was closed")
            if self._login is not None and not self._login.transport.is_active():
                self._login.close()
                self._login = None
            if self._login is None:
                self._login = self._logged_in()
            return self._login.transport

    def _logged_in(self) -> Login:
        """Return a new login, whose commands leave their input alone; guests' shells are ours."""
        login = Login(self._target)
        if not self._tried and self._target.jump is None:
            try:
                try_login(self, login.transport, ssh_command(self._target))
            except BaseException:
                login.close()
                raise
        self._tried = True
        return login

"""One ssh login over paramiko: the host's key checked, nothing asked, no prompt."""

from __future__ import annotations

import logging
import socket
from contextlib import ExitStack
from random import SystemRandom
from typing import Any

import paramiko  # type: ignore[import-untyped]

from farswitch.connections.shell.host_keys import Refuse
from farswitch.connections.shell.login_errors import NO_BANNER, explained
from farswitch.connections.shell.login_key import login_key
from farswitch.connections.shell.target import Target
from farswitch.deadline import Deadline, DeadlineError, wait_until

LOGIN_SECONDS = 20.0
"""For each of TCP, key exchange and authentication; a guest under emulation takes up to 3 s."""
REFUSED_SECONDS = 20.0
"""How long a server is tried again that hangs up before its banner: sshd does so while too many
others log in (MaxStartups of sshd_config(5)). Nothing has begun then, so trying again is safe."""
KEEPALIVE_SECONDS = 15
UNANSWERED_MS = 30_000
"""TCP_USER_TIMEOUT (RFC 5482): a peer that acknowledges nothing for so long is gone."""

# Without a handler Python prints its errors itself.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


class Login:
    """An open login."""

    def __init__(self, target: Target) -> None:
        """Log in.

        Raises:
            HostKeyError: The host's key is unknown or another one.
            ConnectionLostError: The host does not answer, or refuses us.
        """
        try:
            self._client = _patient(target) if target.jump is None else _attempt(target)
        except Exception as error:
            named = explained(target, error)
            if named is None:
                raise
            raise named from error
        self.transport: Any = self._client.get_transport()

    def close(self) -> None:
        """Log out."""
        self._client.close()


def _patient(target: Target) -> Any:
    """Log in, and try again where sshd hangs up at once; a guest's boot waits in its own way."""
    last: list[Exception] = []
    apart = SystemRandom().uniform(0.2, 0.6)  # many who were refused at once do not meet again

    def attempt() -> Any | None:
        try:
            return _attempt(target)
        except paramiko.SSHException as error:
            if NO_BANNER not in str(error) or isinstance(error.__context__, TimeoutError):
                raise
            last[:] = [error]
            return None

    try:
        return wait_until(attempt, Deadline(REFUSED_SECONDS), what="The ssh banner", interval=apart)
    except DeadlineError:
        raise last[0] from None


def _attempt(target: Target) -> Any:
    """Return paramiko's client, logged in; or raise paramiko's own error, or ours of the key."""
    with login_key(target) as key:
        return _connect(target, key)


def _connect(target: Target, key: Any) -> Any:
    """Return paramiko's client, logged in with this key."""
    anyone = not (target.private_key or target.key_file)
    with ExitStack() as failed:
        client = paramiko.SSHClient()
        failed.callback(client.close)
        client.get_host_keys().update(target.host_keys())
        client.set_missing_host_key_policy(Refuse())
        stream = target.jump() if target.jump else None
        if stream is not None:
            failed.callback(stream.close)
        client.connect(
            target.hostname, target.port, target.user, target.password or None,
            pkey=key, look_for_keys=anyone, allow_agent=anyone, sock=stream,
            timeout=LOGIN_SECONDS, banner_timeout=LOGIN_SECONDS, auth_timeout=LOGIN_SECONDS,
        )  # fmt: skip
        failed.pop_all()
    transport = client.get_transport()
    transport.set_keepalive(KEEPALIVE_SECONDS)
    if isinstance(transport.sock, socket.socket):
        # Without it, Nagle's algorithm and delayed ACKs add 40 ms to most commands.
        transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNANSWERED_MS)
    return client

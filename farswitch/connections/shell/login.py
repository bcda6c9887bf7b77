"""One ssh login over paramiko: the host's key checked, nothing asked, no prompt."""

from __future__ import annotations

import logging
import socket
import threading
from contextlib import ExitStack, suppress
from random import SystemRandom
from typing import Any

import paramiko  # type: ignore[import-untyped]

from farswitch.connections.shell.authenticate import authenticate
from farswitch.connections.shell.login_errors import NO_BANNER, ProxyError, explained
from farswitch.connections.shell.login_keys import login_keys
from farswitch.connections.shell.proxy import Proxy
from farswitch.connections.shell.target import Target
from farswitch.deadline import Deadline, DeadlineError, wait_until
from farswitch.pace import patient

LOGIN_SECONDS = 20.0
"""For each of TCP, key exchange and authentication; a guest under emulation takes up to 3 s."""
REFUSED_SECONDS = 20.0
"""How long a server is tried again that hangs up before its banner: sshd does so while too many
others log in (MaxStartups of sshd_config(5)). Nothing has begun then, so trying again is safe."""
CURVE = "curve25519-sha256"
KEEPALIVE_SECONDS = 15
UNANSWERED_MS = 30_000
"""TCP_USER_TIMEOUT (RFC 5482): a peer that acknowledges nothing for so long is gone."""

# Without a handler Python prints its errors itself.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


class Transport(paramiko.Transport):  # type: ignore[misc]
    """paramiko's, with the name in RFC 8731 of a key exchange that it knows by an older one.

    Why a channel was refused reaches the thread that asked for it, where paramiko keeps one reason
    for all threads. It may be closed when what it runs over has ended before.
    """

    # Paramiko has no public way to add one.
    _kex_info = paramiko.Transport._kex_info | {  # noqa: SLF001 - nobody changes it
        CURVE: paramiko.Transport._kex_info[f"{CURVE}@libssh.org"],  # noqa: SLF001
    }
    _preferred_kex = (CURVE, *paramiko.Transport._preferred_kex)  # noqa: SLF001

    def __init__(self, stream: Any) -> None:
        """Take what the login runs over: a connected socket, or one of the same calls."""
        self._asked = threading.local()
        self._refused: dict[int, Exception] = {}
        super().__init__(stream)

    def get_exception(self) -> Exception | None:
        """Take why the thread's own channel was refused, or what ended the login."""
        refused = self._refused.pop(getattr(self._asked, "number", -1), None)
        return refused or super().get_exception()

    def close(self) -> None:
        """End the login, if it has not ended."""
        with suppress(EOFError):
            super().close()

    def _next_channel(self) -> int:
        self._asked.number = super()._next_channel()
        return int(self._asked.number)

    def _parse_channel_open_failure(self, message: paramiko.Message) -> None:
        """Keep the reason (RFC 4254, 5.1) before the thread that waits for it is woken."""
        number, reason = message.get_int(), message.get_int()
        self._refused[number] = paramiko.ChannelException(reason, message.get_text())
        message.rewind()
        super()._parse_channel_open_failure(message)
        super().get_exception()


class Login:
    """An open login."""

    def __init__(self, target: Target) -> None:
        """Log in.

        Raises:
            HostKeyError: The host's key is unknown or another one.
            ConnectionLostError: The host does not answer, or refuses us.
        """
        try:
            direct = target.jump is None and not target.proxy
            self.transport: Any = _patient(target) if direct else _attempt(target)
        except Exception as error:
            named = explained(target, error)
            if named is None:
                raise
            raise named from error

    def close(self) -> None:
        """Log out."""
        self.transport.close()


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
        return wait_until(
            attempt, Deadline(patient(REFUSED_SECONDS)), what="The ssh banner", interval=apart
        )
    except DeadlineError:
        raise last[0] from None


def _attempt(target: Target) -> Any:
    """Return paramiko's transport, logged in; or raise paramiko's own error, or ours."""
    seconds = patient(LOGIN_SECONDS)
    with login_keys(target) as keys, ExitStack() as failed:
        known = target.host_keys()
        stream = _stream(target, seconds)
        failed.callback(stream.close)
        transport = Transport(stream)
        failed.callback(transport.close)
        transport.banner_timeout = transport.auth_timeout = seconds
        options = transport.get_security_options()
        options.key_types = known.sorted(options.key_types)
        try:
            transport.start_client(timeout=seconds)
            known.check(target.alias or target.hostname, transport.get_remote_server_key())
            authenticate(transport, target, keys)
        except (paramiko.SSHException, OSError, EOFError) as error:
            printed = stream.errors() if isinstance(stream, Proxy) else ""
            if printed and not transport.is_active():
                raise ProxyError(printed) from error
            raise
        failed.pop_all()
    transport.set_keepalive(KEEPALIVE_SECONDS)
    return transport


def _stream(target: Target, seconds: float) -> Any:
    """Return what the login runs over."""
    if target.jump is not None:
        return target.jump()
    if target.proxy:
        return Proxy(target.proxy)
    connection = socket.create_connection((target.hostname, target.port), seconds)
    # Without it, Nagle's algorithm and delayed ACKs add 40 ms to most commands.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNANSWERED_MS)
    return connection

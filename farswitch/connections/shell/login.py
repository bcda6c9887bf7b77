"""One ssh login, made through nornir-netmiko: the host's key checked, no password, no prompt."""

from __future__ import annotations

import io
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import SystemRandom
from typing import Any, NoReturn, cast

import paramiko  # type: ignore[import-untyped]
from netmiko.linux import LinuxSSH
from netmiko.ssh_dispatcher import CLASS_MAPPER, platforms
from nornir_netmiko.connections.netmiko import Netmiko
from paramiko.hostkeys import HostKeyEntry  # type: ignore[import-untyped]

from farswitch.connections.shell.protocol import ConnectionLostError, HostKeyError, Stream
from farswitch.deadline import Deadline, DeadlineError, wait_until
from farswitch.errors import FarswitchError

DEVICE_TYPE = "farswitch_linux"
LOGIN_SECONDS = 20.0
"""For each of TCP, key exchange and authentication; a guest under emulation takes up to 3 s."""
REFUSED_SECONDS = 20.0
"""How long a server is asked again that hangs up before its banner: sshd does so while too many
others log in (MaxStartups of sshd_config(5)). Nothing has begun then, so asking again is safe."""
KEEPALIVE_SECONDS = 15
UNANSWERED_MS = 30_000
"""TCP_USER_TIMEOUT (RFC 5482): a peer that acknowledges nothing for so long is gone."""
SYSTEM_KNOWN_HOSTS = (Path("~/.ssh/known_hosts"), Path("/etc/ssh/ssh_known_hosts"))

NO_BANNER = "protocol banner"
SAID = {
    "No existing session": "its ssh did not answer in time",
    NO_BANNER: "it hung up, or did not answer in time, before it showed an ssh banner",
}
"""What paramiko's messages mean."""

for _name in ("paramiko", "netmiko"):  # without a handler Python prints their errors itself
    logging.getLogger(_name).addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to log in to, and what proves who both sides are.

    Args:
        host: The name in messages.
        known_hosts: Files as ssh writes them; none means the user's and the system's.
        pinned: The only host key that is accepted, as a public line; the files are not read then.
        key_file: The private key; none means the user's agent and default keys.
        private_key: The private key itself, as OpenSSH's PEM; comes before `key_file`.
        password: Asked for by servers that take no key.
        jump: Gives the stream that the login runs over; none means a TCP connection from here.
    """

    host: str
    hostname: str
    port: int = 22
    user: str = "root"
    known_hosts: tuple[Path, ...] = ()
    pinned: str = ""
    key_file: Path | None = None
    password: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)
    jump: Callable[[], Stream] | None = None

    @property
    def lookup(self) -> str:
        """The name in a known_hosts file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""
        return (
            self.hostname
            if self.port == paramiko.config.SSH_PORT
            else (f"[{self.hostname}]:{self.port}")
        )

    def host_keys(self) -> Any:
        """Return the keys that we know, of this host and perhaps of others."""
        known = paramiko.HostKeys()
        if self.pinned:
            key = HostKeyEntry.from_line(f"pinned {self.pinned}").key
            known.add(self.lookup, key.get_name(), key)
            return known
        for path in self.known_hosts or SYSTEM_KNOWN_HOSTS:
            if path.expanduser().is_file():
                known.load(str(path.expanduser()))
        return known


class UnknownHostKeyError(paramiko.SSHException):  # type: ignore[misc]
    """A host showed a key and we know none."""

    def __init__(self, fingerprint: str) -> None:
        super().__init__(fingerprint)
        self.fingerprint = fingerprint


class Refuse(paramiko.MissingHostKeyPolicy):  # type: ignore[misc]
    """No key is learnt at first sight."""

    def missing_host_key(self, client: object, hostname: str, key: Any) -> NoReturn:  # noqa: ARG002
        """Refuse the key."""
        raise UnknownHostKeyError(key.fingerprint)


class ExecOnly(LinuxSSH):
    """Netmiko's login without its interactive shell: nothing scrapes a prompt."""

    def __init__(self, *, known: Any, **settings: Any) -> None:
        self._known = known
        super().__init__(**settings)

    def _key_check(self) -> bool:
        return True  # no key file means the agent's and the default keys, as with ssh

    def _build_ssh_client(self) -> Any:
        client = super()._build_ssh_client()
        client.get_host_keys().update(self._known)
        client.set_missing_host_key_policy(Refuse())
        return client

    def establish_connection(self, width: int = 511, height: int = 1000) -> None:  # noqa: ARG002
        """Log in; paramiko's own errors pass, because they carry the keys."""
        client = self.remote_conn_pre = self._build_ssh_client()
        try:
            client.connect(**self._connect_params_dict())
        except BaseException:
            client.close()
            raise
        transport = client.get_transport()
        transport.set_keepalive(KEEPALIVE_SECONDS)
        if isinstance(transport.sock, socket.socket):
            # Without it, Nagle's algorithm and delayed ACKs add 40 ms to most commands.
            transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNANSWERED_MS)

    def _try_session_preparation(self, force_data: bool = True) -> None:  # noqa: FBT001, FBT002
        pass  # there is no interactive shell to prepare

    def cleanup(self, command: str = "exit") -> None:
        """Do nothing: there is no interactive shell to leave."""


class Login:
    """An open login."""

    def __init__(self, target: Target) -> None:
        """Log in.

        Raises:
            HostKeyError: The host's key is unknown or another one.
            ConnectionLostError: The host does not answer, or refuses us.
        """
        CLASS_MAPPER[DEVICE_TYPE] = ExecOnly
        if DEVICE_TYPE not in platforms:
            platforms.append(DEVICE_TYPE)
        try:
            self._plugin = _patient(target) if target.jump is None else _attempt(target)
        except Exception as error:
            explained = _explained(target, error)
            if explained is None:
                raise
            raise explained from error
        self.transport = cast("Any", self._plugin.connection.remote_conn_pre.get_transport())

    def close(self) -> None:
        """Log out."""
        self._plugin.close()


def _patient(target: Target) -> Netmiko:
    """Log in, and try again where sshd refuses to talk; a guest's boot waits in its own way."""
    last: list[Exception] = []
    apart = SystemRandom().uniform(0.2, 0.6)  # many who were refused at once do not meet again

    def ask() -> Netmiko | None:
        try:
            return _attempt(target)
        except paramiko.SSHException as error:
            if NO_BANNER not in str(error) or isinstance(error.__context__, TimeoutError):
                raise
            last[:] = [error]
            return None

    try:
        return wait_until(ask, Deadline(REFUSED_SECONDS), what="The ssh banner", interval=apart)
    except DeadlineError:
        raise last[0] from None


def _attempt(target: Target) -> Netmiko:
    """Log in, or raise paramiko's own error."""
    plugin = Netmiko()
    stream = target.jump() if target.jump else None
    extras = _extras(target, stream)
    try:
        plugin.open(
            target.hostname, target.user, target.password or None, target.port, DEVICE_TYPE, extras
        )
    except BaseException:
        if stream is not None:
            stream.close()
        raise
    return plugin


def _extras(target: Target, stream: Stream | None) -> dict[str, Any]:
    private = target.private_key
    return {
        "known": target.host_keys(),
        "sock": stream,
        "pkey": paramiko.Ed25519Key(file_obj=io.StringIO(private)) if private else None,
        "key_file": str(target.key_file) if target.key_file and not private else None,
        "use_keys": not (private or target.key_file),
        "allow_agent": not (private or target.key_file),
        "conn_timeout": LOGIN_SECONDS,
        "banner_timeout": LOGIN_SECONDS,
        "auth_timeout": LOGIN_SECONDS,
    }


def _explained(target: Target, error: Exception) -> FarswitchError | None:
    """Return our error for one of paramiko's; None for what is a mistake of ours."""
    if isinstance(error, paramiko.BadHostKeyException):
        found, wanted = error.key.fingerprint, error.expected_key.fingerprint
        return HostKeyError(target.host, found, wanted, hint=_changed(target))
    if isinstance(error, UnknownHostKeyError):
        return HostKeyError(target.host, error.fingerprint, "", hint=_unknown(target))
    if isinstance(error, (paramiko.AuthenticationException, paramiko.PasswordRequiredException)):
        cause = f"user '{target.user}' was refused at {target.lookup}: {error}"
        return ConnectionLostError(target.host, cause, hint=_refused(target))
    if "No authentication methods" in str(error):
        cause = f"there is no key to log in with as '{target.user}'"
        return ConnectionLostError(target.host, cause, hint=_refused(target))
    if isinstance(error, (OSError, EOFError, paramiko.SSHException)):
        said = next((said for part, said in SAID.items() if part in str(error)), str(error))
        cause = f"{target.lookup}: {said or type(error).__name__}"
        return ConnectionLostError(target.host, cause, hint=_silent(str(error)))
    return None


def _silent(said: str) -> str:
    if NO_BANNER in said:
        return "Look at its sshd's log: MaxStartups, PerSourcePenalties, or a host that hangs."
    return "Look whether the host is up and its sshd answers there."


def _changed(target: Target) -> str:
    if target.pinned:
        return "Another machine answers at the guest's address; rebuild the guest."
    return f"If the host was set up anew: ssh-keygen -R '{target.lookup}', then log in once by ssh."


def _unknown(target: Target) -> str:
    return (
        f"Compare the fingerprint, then log in once: ssh -p {target.port} "
        f"{target.user}@{target.hostname}"
    )


def _refused(target: Target) -> str:
    key = f"the key '{target.key_file}'" if target.key_file else "a key of your agent or ~/.ssh"
    return f"Put the public half of {key} into ~{target.user}/.ssh/authorized_keys on the host."

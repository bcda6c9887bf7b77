"""The Nornir connection "netlink": sessions with the kernel's network configuration of a server.

A pyroute2 `IPRoute` belongs to the thread that made it, so what Nornir keeps is an endpoint, and
each session makes an `IPRoute` and closes it again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from pyroute2 import IPRoute

from farswitch.connections.fence import Fence
from farswitch.connections.netlink.relay import Relay
from farswitch.connections.shell.base import Shell
from farswitch.connections.shell.local import LocalShell
from farswitch.connections.shell.options import LoginOptions
from farswitch.connections.shell.plugin import ShellConnection
from farswitch.remote import netlink_agent

ANSWER_SECONDS = 30.0
"""How long a request may stay without its answer."""
AGENT = ("python3", "-IS", "-c", Path(netlink_agent.__file__).read_text(encoding="utf-8"))


class Endpoint(Protocol):
    """Where sessions with a host's kernel begin."""

    host: str

    def session(self) -> AbstractContextManager[IPRoute]:
        """Return an `IPRoute` that lives in the calling thread until the block ends."""
        ...


class LocalEndpoint:
    """The network namespace that we run in."""

    def __init__(self, host: str, fence: Fence | None = None) -> None:
        self.host = host
        self._fence = fence or Fence()

    @contextmanager
    def session(self) -> Iterator[IPRoute]:
        """Yield an `IPRoute` of this process's namespace."""
        self._fence.check()
        with IPRoute(ext_ack=True) as ipr:
            yield ipr


class RelayEndpoint:
    """A server behind a shell: an agent there relays datagrams, one agent a session.

    Sequence numbers begin anew with each `IPRoute`: with a shared agent, a late answer of one
    session would reach another.
    """

    def __init__(
        self,
        host: str,
        shell: Shell,
        *,
        seconds: float = ANSWER_SECONDS,
        fence: Fence | None = None,
    ) -> None:
        self.host = host
        self._shell = shell
        self._fence = fence
        self._seconds = seconds

    @contextmanager
    def session(self) -> Iterator[IPRoute]:
        """Yield an `IPRoute` whose requests the server's kernel answers.

        Raises:
            ConnectionLostError: The agent ended or did not answer in time, with its stderr.
        """
        relay = Relay(self.host, self._shell.start(AGENT), self._seconds, self._fence)
        try:
            with IPRoute(fileno=relay.detach(), groups=0) as ipr:
                yield ipr
        except Exception as error:
            if relay.failure is None:
                raise
            raise relay.failure from error
        finally:
            relay.close()
        if relay.failure is not None:  # some of pyroute2's calls take an error for "nothing found"
            raise relay.failure


class Netlink:
    """Nornir's plugin; `.connection` is an `Endpoint`.

    Its options are those of the plugin "shell"; where both have the same, they share one login.
    """

    connection: Endpoint

    def __init__(self) -> None:
        self._shell = ShellConnection()

    def open(self, *_: object, **parameters: Any) -> None:
        """Make the endpoint; a host that is this machine needs no agent, if we are root on it.

        The parameters and extras are those of `LoginOptions`.
        """
        self._shell.open(**parameters)
        shell, fence = self._shell.connection, LoginOptions.parse(**parameters).fence
        if isinstance(shell, LocalShell) and not shell.sudo:
            self.connection = LocalEndpoint(shell.host, fence)
        else:
            self.connection = RelayEndpoint(shell.host, shell, fence=fence)

    def close(self) -> None:
        """Log out, unless the shell uses the login too; a session closes what it opened."""
        self._shell.close()

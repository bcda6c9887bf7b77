"""The Nornir connection "shell": commands and files of a server or a guest."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

from farswitch.connections.fence import Fence
from farswitch.connections.shell.base import Shell
from farswitch.connections.shell.local import LocalShell
from farswitch.connections.shell.options import LoginOptions
from farswitch.connections.shell.ssh import SshShell
from farswitch.connections.shell.target import Target

_GUARD = threading.Lock()
_SHELLS: dict[tuple[Target, Fence | None], SshShell] = {}
_USES: Counter[tuple[Target, Fence | None]] = Counter()


class ShellConnection:
    """Nornir's plugin; `.connection` is a `Shell`.

    Connections that log in to the same place in the same way share one login.
    """

    connection: Shell

    def __init__(self) -> None:
        self._key: tuple[Target, Fence | None] | None = None

    def open(self, *_: object, **parameters: Any) -> None:
        """Log in; a host that is this machine needs no login.

        The parameters and extras are those of `LoginOptions`.

        Raises:
            ConfigError: The options cannot be meant.
            HostKeyError: The host's key is unknown or another one.
            ConnectionLostError: The host does not answer, or refuses us.
        """
        options = LoginOptions.parse(**parameters)
        if options.local:
            self.connection = LocalShell(options.host, fence=options.fence)
            return
        self._key = options.target(), options.fence
        with _GUARD:
            _USES[self._key] += 1
            shell = _SHELLS.setdefault(self._key, SshShell(*self._key))
        try:
            shell.open()
        except BaseException:
            self._release()
            raise
        self.connection = shell

    def close(self) -> None:
        """Log out, unless another connection uses the login too."""
        self._release()

    def _release(self) -> None:
        if self._key is None:
            return
        with _GUARD:
            _USES[self._key] -= 1
            shell = None if _USES[self._key] else _SHELLS.pop(self._key)
        self._key = None
        if shell is not None:
            shell.close()

"""The Nornir connection "libvirt": one virConnect a hypervisor, used from many threads."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import libvirt

from farswitch.connections.fence import Fence
from farswitch.connections.libvirt.domains import Domains, LibvirtError
from farswitch.connections.libvirt.open import open_connection
from farswitch.connections.libvirt.ssh_folder import SshFolder
from farswitch.connections.libvirt.uri import LOCAL_URI, remote_uri, ssh_program
from farswitch.connections.libvirt.volumes import Volumes
from farswitch.connections.shell.options import LoginOptions
from farswitch.errors import ConfigError

NOT_BY_SSH = ("password", "host_key", "private_key", "jump")
"""Options of a login that libvirt's ssh has no use for."""


class Hypervisor(Domains, Volumes):
    """libvirt of one server; its methods may be called from many threads at once.

    The fence is asked before each call.
    """

    def __init__(self, host: str, uri: str, fence: Fence | None = None) -> None:
        """Connect.

        Raises:
            LibvirtError: libvirt does not answer there.
        """
        libvirt.registerErrorHandler(_silent, None)  # else libvirt prints each error itself
        self.host = host
        self.uri = uri
        self._fence = fence or Fence()
        self._lock = threading.Lock()
        self._connection: Any = None
        self.connection()

    def connection(self) -> Any:
        """Return the virConnect; the first call after its loss makes a new one."""
        self._fence.check()
        with self._lock:
            if self._connection is None or not self._connection.isAlive():
                self._drop()
                hint = f"Look: virsh -c '{self.uri.partition('?')[0]}' list"
                try:
                    self._connection = open_connection(self.uri)
                except (libvirt.libvirtError, TimeoutError) as error:
                    raise LibvirtError(self.host, "connection", error, hint=hint) from error
            return self._connection

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(libvirt.libvirtError):  # it may be lost already
                connection.close()


class LibvirtOptions(LoginOptions):
    """Those of a `shell`, and one more; without that, those of `NOT_BY_SSH` are refused.

    Attributes:
        uri: What libvirt connects to, as it stands; by default the host's system instance.
    """

    uri: str | None = None

    def check_for_ssh(self) -> None:
        """Refuse what ssh's own program would not be given.

        Raises:
            ConfigError: There is such an option.
        """
        given = [f"'{name}'" for name in NOT_BY_SSH if getattr(self, name)]
        if given:
            raise ConfigError(
                f"The connection 'libvirt' to '{self.host}' cannot use {', '.join(given)}.",
                hint="Give it key_file and known_hosts, or a uri; see docs/connections.md.",
            )


class Libvirt:
    """Nornir's plugin; `.connection` is a `Hypervisor`."""

    connection: Hypervisor

    def __init__(self) -> None:
        self._folder: SshFolder | None = None

    def open(self, *_: object, **parameters: Any) -> None:
        """Connect to the system instance, behind ssh unless it is this machine's.

        The parameters and extras are those of `LibvirtOptions`.

        Raises:
            ConfigError: The options cannot be meant.
            LibvirtError: libvirt does not answer there.
        """
        options = LibvirtOptions.parse(**parameters)
        if options.local or options.uri:
            self.connection = Hypervisor(options.host, options.uri or LOCAL_URI, options.fence)
            return
        options.check_for_ssh()
        target = options.target()
        self._folder = SshFolder()
        try:
            program = self._folder.program
            program.write_text(ssh_program(target), encoding="utf-8")
            program.chmod(0o700)
            uri = remote_uri(target, program)
            self.connection = Hypervisor(options.host, uri, options.fence)
        except BaseException:
            self._folder.close()
            raise

    def close(self) -> None:
        """Close the connection and remove the script that it ran ssh by."""
        self.connection.close()
        if self._folder is not None:
            self._folder.close()


def _silent(*_: object) -> None:
    """Take libvirt's own message: the exception has the same."""

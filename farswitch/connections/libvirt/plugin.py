"""The Nornir connection "libvirt": one virConnect a hypervisor, used from many threads."""

from __future__ import annotations

import contextlib
import os
import threading
from contextlib import nullcontext
from typing import Any

import libvirt

from farswitch.connections.fence import Fence
from farswitch.connections.libvirt.capabilities import Capabilities, versions
from farswitch.connections.libvirt.domains import LibvirtError
from farswitch.connections.libvirt.far_socket import HELPER, FarSocket
from farswitch.connections.libvirt.open import open_connection
from farswitch.connections.libvirt.snapshots import Snapshots
from farswitch.connections.libvirt.volumes import Volumes
from farswitch.connections.shell.local import LocalShell
from farswitch.connections.shell.options import LoginOptions
from farswitch.connections.shell.ssh import SshShell

LOCAL_URI = "qemu:///system"
NO_FILE = f"'{HELPER[0]}': No such file"
NO_HELPER = (
    "Install libvirt there, 6.8 or later: apt install libvirt-daemon-system (Debian, Ubuntu), "
    "dnf install libvirt-daemon-kvm (RHEL, Fedora)"
)


class Hypervisor(Snapshots, Volumes, Capabilities):
    """libvirt of one server; its methods may be called from many threads at once.

    The fence is asked before each call. `versions` are those of libvirt and QEMU there, by name.
    """

    def __init__(
        self,
        host: str,
        uri: str = LOCAL_URI,
        fence: Fence | None = None,
        *,
        far_socket: FarSocket | None = None,
    ) -> None:
        """Connect to the URI, or through the far socket.

        Raises:
            LibvirtError: libvirt does not answer there.
            ConnectionLostError: The far socket's login ended, or could not be made.
        """
        libvirt.registerErrorHandler(_silent, None)  # else libvirt prints each error itself
        self.host = host
        self.uri = uri
        self._far_socket = far_socket
        self._fence = fence or Fence()
        self._fresh: set[str] = set()
        self._lock = threading.Lock()
        self._connection: Any = None
        self.versions: dict[str, str] = {}
        self.connection()

    def connection(self) -> Any:
        """Return the virConnect; the first call after its loss makes a new one."""
        self._fence.check()
        with self._lock:
            if self._connection is None or not self._connection.isAlive():
                self._drop()
                self._fresh.clear()
                self._labels = None
                self._connection = self._opened()
                self.versions = versions(self._connection)
            return self._connection

    def _opened(self) -> Any:
        try:
            with self._far_socket.offered() if self._far_socket else nullcontext(self.uri) as uri:
                return open_connection(uri)
        except (libvirt.libvirtError, TimeoutError) as error:
            printed = self._far_socket.errors() if self._far_socket else ""
            cause = OSError(printed) if printed else error
            hint = f"Look: virsh -c '{self.uri.partition('?')[0]}' list"
            if self._far_socket:
                hint = NO_HELPER if NO_FILE in printed else f"As root on '{self.host}': {hint}"
            raise LibvirtError(self.host, "connection", cause, hint=hint) from error

    def close(self) -> None:
        """Close the connection, and its far socket."""
        with self._lock:
            self._drop()
        if self._far_socket is not None:
            self._far_socket.close()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(libvirt.libvirtError):  # it may be lost already
                connection.close()
        if self._far_socket is not None:
            self._far_socket.end()


class LibvirtOptions(LoginOptions):
    """Those of a `shell`, and one more.

    Attributes:
        uri: What libvirt connects to, as it stands; by default the host's system instance.
    """

    uri: str | None = None


class Libvirt:
    """Nornir's plugin; `.connection` is a `Hypervisor`."""

    connection: Hypervisor

    def open(self, *_: object, **parameters: Any) -> None:
        """Connect to the system instance, through a login of its own unless we are root on it.

        The parameters and extras are those of `LibvirtOptions`.

        Raises:
            ConfigError: The options cannot be meant.
            HostKeyError: The host's key is unknown or another one.
            ConnectionLostError: The host does not answer, or refuses us.
            LibvirtError: libvirt does not answer there.
        """
        options = LibvirtOptions.parse(**parameters)
        host, fence = options.host, options.fence
        if options.uri or (options.local and os.geteuid() == 0):
            self.connection = Hypervisor(host, options.uri or LOCAL_URI, fence)
            return
        local = LocalShell(host, fence=fence) if options.local else None
        far_socket = FarSocket(local or SshShell(options.target(), fence))
        try:
            self.connection = Hypervisor(host, far_socket=far_socket, fence=fence)
        except BaseException:
            far_socket.close()
            raise

    def close(self) -> None:
        """Close the connection, and log out."""
        self.connection.close()


def _silent(*_: object) -> None:
    """Take libvirt's own message: the exception has the same."""

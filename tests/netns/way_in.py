"""A server whose new logins have to get through its firewall."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from farswitch.connections.shell.local import LocalShell
from farswitch.connections.shell.protocol import ConnectionLostError

_LISTEN = """
import socket, sys
with socket.create_server(("0.0.0.0", int(sys.argv[1]))) as door:
    print("ready", flush=True)
    while True:
        door.accept()[0].close()
"""
_DIAL = """
import socket, sys
socket.create_connection(("127.0.0.1", 22), 1, (sys.argv[1], 0)).close()
"""


class Login(LocalShell):
    """A shell whose new logins must get through the firewall; it itself goes on."""

    source = "127.0.0.1"
    """The controller's address."""

    def again(self) -> LocalShell:
        dialled = self.run(["python3", "-IS", "-c", _DIAL, self.source], check=False)
        return LocalShell(self.host, self.prefix) if dialled.status == 0 else Refused(self.host)


class Refused(LocalShell):
    def run(self, *_args, **_options):
        raise ConnectionLostError(self.host, "Connection refused")


@contextmanager
def listening(box: LocalShell, port: int) -> Iterator[Login]:
    """Have somebody answer at a port, and yield the shell for whom a login is to reach port 22."""
    login = Login(box.host, box.prefix)
    sshd = login.start(["python3", "-IS", "-c", _LISTEN, str(port)])
    assert sshd.read(100) == b"ready\n"
    yield login
    sshd.close()

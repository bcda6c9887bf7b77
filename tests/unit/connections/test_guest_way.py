"""Who is said to be lost when the way to a guest, through its hypervisor, is cut."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from nornir.core.inventory import Host

from farswitch.connections.shell.keys import generate
from farswitch.connections.shell.options import LoginOptions
from farswitch.connections.shell.protocol import ConnectionLostError, UnreachableError


class Server:
    """A hypervisor's shell that opens no connection, for one of two reasons."""

    def __init__(self, error: ConnectionLostError) -> None:
        self.error = error

    def channel(self, address, port, *, timeout):
        assert (address, port) == ("10.10.0.12", 22)
        raise self.error


@pytest.mark.parametrize(
    ("error", "host", "words"),
    [
        pytest.param(UnreachableError("server1", "10.10.0.12", 22, OSError("refused")), "node2",
                     "'server1' does not reach 10.10.0.12 port 22: refused", id="guest-is-dead"),
        pytest.param(ConnectionLostError("server1", "it hung up"), "server1", "it hung up",
                     id="server-is-lost"),
    ],
)  # fmt: skip
def test_a_dead_guest_is_lost_and_its_server_is_not(error, host, words):
    jump = Host("server1")
    jump.connections["shell"] = SimpleNamespace(connection=Server(error))
    key = generate("test")
    extras = {"name": "node2", "host_key": key.public, "private_key": key.private, "jump": jump}
    target = LoginOptions.parse(hostname="10.10.0.12", username="root", extras=extras).target()
    assert target.jump is not None
    with pytest.raises(ConnectionLostError) as caught:
        target.jump()
    assert caught.value.host == host
    assert words in caught.value.cause

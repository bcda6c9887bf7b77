"""Who is said to be lost when the way to a guest, through its hypervisor, is cut."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from nornir.core.inventory import Host

from farswitch.connections.shell.keys import GuestKeys, generate
from farswitch.connections.shell.plugin import guest_target
from farswitch.connections.shell.protocol import ConnectionLostError, UnreachableError
from farswitch.model.cluster import cluster
from farswitch.site.loader import ROOT, load_site

NODE2 = cluster(load_site(str(ROOT / "inventory/lab")), None).guests[1]


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
    keys = GuestKeys(private_key=key.private, host_keys={"node2": key.public})
    target = guest_target(NODE2, keys, jump, None)
    assert target.jump is not None
    with pytest.raises(ConnectionLostError) as caught:
        target.jump()
    assert caught.value.host == host
    assert words in caught.value.cause

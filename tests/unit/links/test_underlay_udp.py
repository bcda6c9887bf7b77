"""Whether the tunnels' UDP arrives, where a server cannot catch it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from nornir.core.inventory import Defaults, Host

from farswitch.connections.shell.local import LocalShell
from farswitch.errors import FarswitchError, ObstaclesError
from farswitch.proof.path_mtu import PacketPath
from tasks.underlay_udp import underlay_udp


def test_why_a_server_cannot_listen_is_reported():
    """As root it is the interface that is missing, else the privilege."""
    host = Host("server1", defaults=Defaults())
    host.connections["shell"] = SimpleNamespace(connection=LocalShell("server1"))
    path = PacketPath("server1", "server1", "nowhere0", "udp", 1, "127.0.0.1", 4789, "127.0.0.1")
    words = r"^'server1' cannot catch packets on 'nowhere0': (No such device|Operation not permit)"
    with pytest.raises(FarswitchError, match=words) as failed:
        underlay_udp(SimpleNamespace(host=host), [path], {"server1": host})
    assert not isinstance(failed.value, ObstaclesError)
    assert "packet sockets" in failed.value.hint

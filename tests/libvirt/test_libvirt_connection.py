"""The connection itself: how it is opened, by whom, and what is left of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from nornir.core.inventory import ConnectionOptions, Host

from farswitch.connections import access
from farswitch.connections.libvirt.domains import LibvirtError
from farswitch.connections.libvirt.plugin import Hypervisor


def test_a_server_without_libvirt_is_named():
    with pytest.raises(LibvirtError, match="server9"):
        Hypervisor("server9", "qemu+unix:///system?socket=/nonexistent")


def test_a_connection_that_was_lost_is_made_anew(hypervisor):
    class Dead:
        def isAlive(self) -> int:  # noqa: N802 - libvirt's name
            return 0

        def close(self) -> None:
            closed.append(self)

    closed: list[Dead] = []
    alive, hypervisor._connection = hypervisor._connection, Dead()
    alive.close()
    assert hypervisor.list_domains() == ()
    assert len(closed) == 1


def test_many_threads_open_a_hosts_connection_once(tmp_path, monkeypatch):
    node = tmp_path / "node.xml"
    node.write_text("<node/>")
    monkeypatch.setattr("farswitch.connections.libvirt.plugin.LOCAL_URI", f"test://{node}")
    access.register()
    access.register()
    host = Host("server1")
    host.connection_options = {}
    host.connection_options["libvirt"] = ConnectionOptions(extras={"local": True})
    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(lambda _: access.libvirt(host), range(64)))
    host.close_connections()
    assert len(found) == 1

"""Two hypervisors: libvirt's test driver, and a libvirtd in namespaces of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from farswitch.connections.libvirt.plugin import Hypervisor
from tasks import vm_boot
from tests.libvirt.libvirtd import Server, libvirtd
from tests.libvirt.small_cluster import SmallCluster


@pytest.fixture
def hypervisor(tmp_path: Path) -> Iterator[Hypervisor]:
    """An empty one of the test driver: each connection to a file is one of its own."""
    node = tmp_path / "node.xml"
    node.write_text("<node/>")
    hypervisor = Hypervisor("server1", f"test://{node}")
    yield hypervisor
    hypervisor.close()


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the first libvirtd finds out about QEMU in seconds, for those of all files."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def lasting_server(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Server]:
    """A server with a libvirtd, for all tests of a file."""
    with libvirtd(tmp_path_factory.mktemp("libvirtd") / "log", cache) as server:
        yield server


@pytest.fixture
def server(lasting_server: Server) -> Iterator[Server]:
    """A server that has nothing yet; what a failed test left on it goes."""
    yield lasting_server
    lasting_server.clear()


@pytest.fixture
def before(server: Server) -> list[str]:
    """What the server had before the test."""
    return server.state()


@pytest.fixture
def cluster(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., SmallCluster]:
    """Make clusters whose guests count as ready as soon as they run."""
    monkeypatch.setattr(vm_boot, "bring_up", lambda _task, _boot, mark, _actions: (mark, []))
    return partial(SmallCluster, server, tmp_path)

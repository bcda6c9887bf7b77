"""An empty hypervisor of libvirt's test driver: each connection to a file is one of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from farswitch.connections.libvirt.plugin import Hypervisor


@pytest.fixture
def hypervisor(tmp_path: Path) -> Iterator[Hypervisor]:
    node = tmp_path / "node.xml"
    node.write_text("<node/>")
    hypervisor = Hypervisor("server1", f"test://{node}")
    yield hypervisor
    hypervisor.close()

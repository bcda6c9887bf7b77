"""Hardened servers: nothing differs after a teardown, and nothing is weakened until then."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from farswitch.lab.addresses import Lab
from tests.lab.clusters import ClusterUnderTest
from tests.lab.comparison import compare, observe, settle
from tests.lab.hardened import hardened, weakened
from tests.lab_containers.servers import build_servers

pytestmark = pytest.mark.root


@pytest.fixture
def cluster(lab: Lab, tmp_path: Path) -> Iterator[ClusterUnderTest]:
    cluster = ClusterUnderTest("fshd", 5401, "10.92.0", "10.93.0", lab, tmp_path, size=2)
    cluster.write_site()
    with hardened(lab):
        yield cluster


def test_a_build_weakens_nothing_and_a_teardown_leaves_nothing(
    lab: Lab, cluster: ClusterUnderTest
) -> None:
    cluster.good("preflight")  # libvirtd opens some of its own files at their first use
    settle(lab)
    before = observe(lab)
    assert build_servers(cluster).changed > 0
    assert weakened(lab) == []
    assert build_servers(cluster).changed == 0
    assert cluster.good("teardown").changed > 0
    assert compare(before, observe(lab)) == []

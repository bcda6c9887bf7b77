"""Real guests on servers as people have them: a part of `make trial-field`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from farswitch.lab import control
from farswitch.lab.addresses import Lab
from tests.lab.clusters import ClusterUnderTest
from tests.lab.comparison import compare, observe, settle
from tests.lab.hardened import hardened, weakened
from tests.own_lab import WITH_GUESTS, own_lab

pytestmark = [pytest.mark.trial, pytest.mark.lab, pytest.mark.root]


@pytest.fixture
def lab() -> Iterator[Lab]:
    with own_lab("fsf", WITH_GUESTS) as lab:
        control.up(lab)
        yield lab


@pytest.fixture
def cluster(lab: Lab, tmp_path: Path) -> ClusterUnderTest:
    cluster = ClusterUnderTest("fsf", 8701, "10.92.2", "10.92.3", lab, tmp_path, size=3)
    cluster.write_site()
    return cluster


def test_a_cluster_weakens_no_hardened_server_and_leaves_nothing_there(
    lab: Lab, cluster: ClusterUnderTest
) -> None:
    with hardened(lab):
        settle(lab)
        before = observe(lab)
        cluster.good("build")
        assert weakened(lab) == []
        assert cluster.good("verify", "--attack", "--control").failed_checks() == []
        assert cluster.good("build").changed == 0
        cluster.good("teardown")
        assert compare(before, observe(lab)) == []

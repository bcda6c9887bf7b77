"""A second cluster on the same servers, from somebody else's cloud image."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from farswitch.image.build import build
from farswitch.image.recipe import recipe
from farswitch.lab.addresses import Lab
from tests.lab.clusters import ClusterUnderTest
from tests.lab.guests import names

pytestmark = [pytest.mark.trial, pytest.mark.lab, pytest.mark.root]


@pytest.fixture
def first(servers: Lab, tmp_path: Path) -> Iterator[ClusterUnderTest]:
    cluster = ClusterUnderTest("fsf", 5051, "10.98.0", "10.99.0", servers, tmp_path, size=1)
    cluster.write_site()
    try:
        cluster.good("build")
        yield cluster
    finally:
        cluster.run("teardown")


@pytest.fixture
def second(servers: Lab, tmp_path: Path) -> Iterator[ClusterUnderTest]:
    disk = build(recipe(), stock=True).disk
    with disk.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    cluster = ClusterUnderTest("fso", 5101, "10.96.0", "10.97.0", servers, tmp_path, size=2)
    cluster.write_site(f"image: {{source: {disk}, sha256: {digest}}}\n  boot_timeout: 600")
    try:
        yield cluster
    finally:
        cluster.run("teardown")


def test_cluster_of_a_stock_cloud_image_works_beside_another(
    first: ClusterUnderTest, second: ClusterUnderTest
) -> None:
    boots = first.boots(1)
    second.good("build")
    assert names(second.guests(2)) == ["node1", "node2"]
    assert "done" in second.guest(1).root("cloud-init status")
    # What depends on the image; the rest of verify is the same for each.
    told = second.good("verify", "--only", "guest,reach,ssh,nfs,mpi,path")
    assert told.failed_checks() == []
    assert second.good("build").changed == 0
    # One guest's packets do not reach the other cluster, by whatever way.
    second.guest(1).root("ip route add 10.98.0.0/24 via 10.97.0.1 dev mgmt0")
    assert not second.guest(1).pings("10.98.0.11")
    second.good("teardown")
    assert first.good("build").changed == 0
    assert first.boots(1) == boots

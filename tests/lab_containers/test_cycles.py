"""Ten cycles of build and teardown leave nothing more than one did, on servers and controller."""

from __future__ import annotations

from pathlib import Path

import pytest

from farswitch.deadline import Deadline, DeadlineError, wait_until
from farswitch.lab.addresses import Lab
from tests.lab.clusters import ClusterUnderTest
from tests.lab.monitors import listening
from tests.lab_containers.measured import measure
from tests.lab_containers.servers import build_servers, cycle

pytestmark = pytest.mark.root


@pytest.fixture
def cluster(lab: Lab, tmp_path: Path) -> ClusterUnderTest:
    cluster = ClusterUnderTest("fscy", 5101, "10.96.0", "10.97.0", lab, tmp_path, size=2)
    cluster.write_site()
    return cluster


def test_the_first_build_is_heard_and_the_second_is_silent(
    lab: Lab, cluster: ClusterUnderTest
) -> None:
    with listening(lab) as heard:
        assert build_servers(cluster).changed > 0
    for listener in ("server1 ip", "server2 ip", "server2 fdb", "server1 nft", "server2 nft"):
        assert any(line.startswith(f"{listener}: ") for line in heard), listener
    with listening(lab) as heard:
        assert build_servers(cluster).changed == 0
    assert heard == []
    cluster.good("teardown")


@pytest.mark.trial
def test_ten_cycles_leave_no_descriptor_process_mount_or_byte(
    lab: Lab, cluster: ClusterUnderTest
) -> None:
    assert cycle(cluster, 1).status == 0  # libvirtd opens some of its own files at their first use
    before = measure(lab)
    ended = cycle(cluster, 10)
    assert ended.status == 0, ended.said
    try:
        wait_until(lambda: measure(lab) == before, Deadline(10), what="The end of the logins")
    except DeadlineError:
        assert measure(lab) == before
    assert ended.document["last"] == ended.document["first"]

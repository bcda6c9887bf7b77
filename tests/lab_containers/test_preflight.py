"""`farswitch preflight` on real servers: it looks at each of them, and changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from farswitch.lab.addresses import Lab
from tests.lab.clusters import ClusterUnderTest
from tests.lab.comparison import compare, observe, settle
from tests.lab.monitors import listening

pytestmark = pytest.mark.root

PLANT = {
    "server1": "ip link add fsb5301 type bridge; ip link add office type bridge; "
    "ip address add 10.99.0.7/16 dev office",
    "server2": "ip link add taken type vxlan id 5302 dstport 4789",
}
CLEAR = {"server1": "ip link del fsb5301; ip link del office", "server2": "ip link del taken"}


@pytest.fixture
def cluster(lab: Lab, tmp_path: Path) -> ClusterUnderTest:
    cluster = ClusterUnderTest("fspf", 5301, "10.98.0", "10.99.0", lab, tmp_path, size=2)
    cluster.write_site()
    return cluster


def test_servers_that_are_fit_are_named_and_nothing_on_them_moves(
    lab: Lab, cluster: ClusterUnderTest
) -> None:
    settle(lab)
    with listening(lab) as heard:
        looked = cluster.good("preflight")
    assert set(looked.document["ready"]) == {"server1", "server2"}
    assert "on 'eth1', MTU 1500" in looked.document["ready"]["server1"]
    assert heard == []


def test_it_leaves_no_trace(lab: Lab, cluster: ClusterUnderTest) -> None:
    cluster.good("preflight")  # libvirtd opens some of its own files at their first use
    settle(lab)
    before = observe(lab)
    cluster.good("preflight")
    assert compare(before, observe(lab)) == []


def test_every_obstacle_of_every_server_is_named_in_one_look(
    cluster: ClusterUnderTest,
) -> None:
    try:
        for server, script in PLANT.items():
            cluster.on(server, ["sh", "-c", script])
        looked, dry = cluster.run("preflight"), cluster.run("build", "--dry-run")
    finally:
        for server, script in CLEAR.items():
            cluster.on(server, ["sh", "-c", script])
    assert (looked.status, dry.status) == (2, 2)
    assert looked.document["ready"] == {}
    assert looked.document["failures"] == dry.document["failures"]
    obstacles = [
        (failure["host"], obstacle["what"], obstacle["remedy"], obstacle["foreign"])
        for failure in looked.document["failures"]
        for obstacle in failure["obstacles"]
    ]
    expected = [
        ("server1", "overlaps management_network 10.99.0.0/24", "'management_network'", False),
        ("server1", "an interface 'fsb5301'", "vni_base", True),
        ("server2", "VNI 5302 on 'taken'", "'vni_base'", False),
    ]
    for host, what, remedy, foreign in expected:
        assert any(
            (host, foreign) == (one[0], one[3]) and what in one[1] and remedy in one[2]
            for one in obstacles
        ), (what, obstacles)
    assert cluster.run("preflight").status == 0

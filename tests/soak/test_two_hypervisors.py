"""A cluster whose guests are on two hypervisors: all of it, with real guests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from farswitch.lab import control
from farswitch.lab.addresses import MEMBERS, Member
from tests.lab.clusters import ClusterUnderTest
from tests.lab.comparison import Snapshot, compare, observe, settle
from tests.lab.foreign import plant
from tests.lab.guests import names
from tests.own_lab import WITH_GUESTS, own_lab

pytestmark = [pytest.mark.lab, pytest.mark.root, pytest.mark.soak]
Told = Callable[[str], None]
SECOND = Member("server3", 13, hypervisor=True)
GUESTS = """\
node[1-2]: {groups: [guest]}
node[3-4]: {groups: [guest], data: {hypervisor: server3}}
"""


@pytest.fixture
def spread(tmp_path: Path) -> Iterator[ClusterUnderTest]:
    """Return a cluster of two guests on each of two hypervisors, on fresh servers."""
    with own_lab("fsh", WITH_GUESTS) as lab:
        larger = replace(lab, members=(*MEMBERS, SECOND))
        control.up(larger)
        cluster = ClusterUnderTest("two", 8101, "10.95.0", "10.95.1", larger, tmp_path, size=4)
        cluster.write_site()
        cluster.forget_lab()
        hosts = cluster.site / "hosts.yaml"
        text = hosts.read_text(encoding="utf-8")
        hosts.write_text(text[: text.index("node[")] + GUESTS, encoding="utf-8")
        yield cluster


@pytest.fixture
def before(spread: ClusterUnderTest) -> Snapshot:
    """Return what was on the servers, among it what somebody else has there."""
    plant(spread.lab)
    settle(spread.lab)
    return observe(spread.lab)


def domains(cluster: ClusterUnderTest, server: str) -> set[str]:
    return set(cluster.on(server, ["virsh", "list", "--name"]).split())


def test_guests_of_both_are_one_cluster(spread: ClusterUnderTest, before: Snapshot, told: Told):
    spread.good("build")
    assert domains(spread, "server1") == {"two-node1", "two-node2"}
    assert domains(spread, "server3") == {"two-node3", "two-node4"}
    assert names(spread.guests(4)) == ["node1", "node2", "node3", "node4"]
    said = spread.good("verify", "--attack", "--control")
    assert {one["name"] for one in said.failed_checks()} == {"attack.third_host"}, "no lab is named"
    assert spread.good("build").changed == 0

    boots = spread.boots(3)
    spread.good("build", "--nodes", "3")
    assert domains(spread, "server3") == {"two-node3"}
    assert spread.boots(3) == boots

    spread.on("server2", ["ip", "link", "set", "fss8101", "down"])
    for other in (2, 3):
        assert not spread.guest(1).pings(f"10.95.0.{10 + other}")
    spread.on("server2", ["ip", "link", "set", "fss8101", "up"])
    assert spread.guest(1).pings("10.95.0.13")

    spread.good("teardown")
    assert compare(before, observe(spread.lab)) == []
    told("four guests on two hypervisors built, proved, shrunk to three and torn down")

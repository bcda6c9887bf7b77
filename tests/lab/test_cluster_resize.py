"""A cluster that grows and shrinks: guests that stay are left alone."""

import json

import pytest

from tests.lab.clusters import ClusterUnderTest, Run
from tests.lab.guests import names

pytestmark = [pytest.mark.lab, pytest.mark.root]


def domains(cluster: ClusterUnderTest) -> list[str]:
    listed = cluster.on("server1", ["virsh", "list", "--all", "--name"]).split()
    return sorted(name for name in listed if name.startswith("fst-node"))


def wires(cluster: ClusterUnderTest, server: str) -> set[str]:
    links = cluster.on(server, ["ip", "-br", "link"]).splitlines()
    return {line.split()[0].partition("@")[0] for line in links if line.startswith("fs")}


def known(cluster: ClusterUnderTest, count: int) -> set[str]:
    """Return the distinct hosts files and hostfiles of the guests: one where all agree."""
    return {
        guest.root("cat /etc/hosts; cat /etc/farswitch/hostfile; wc -l </etc/ssh/ssh_known_hosts")
        for guest in cluster.guests(count)
    }


def assert_kept(planned: Run, done: Run) -> None:
    """Fail where a run did other things than its plan said, or another number of them."""
    assert planned.document["totals"] == done.document["totals"]
    lines, made = (sorted(map(json.dumps, run.document["plan"])) for run in (planned, done))
    assert lines == made
    assert planned.changed == done.changed == len(lines)


def test_one_more_guest_joins_and_the_others_run_on(cluster: ClusterUnderTest) -> None:
    boots = cluster.boots()
    planned = cluster.run("build", "--nodes", "4", "--dry-run", "--detailed-exitcode")
    assert planned.status == 3, planned.said
    grown = cluster.good("build", "--nodes", "4")
    assert grown.changed > 0
    assert_kept(planned, grown)
    assert domains(cluster) == [f"fst-node{number}" for number in range(1, 5)]
    assert cluster.boots() == boots
    (files,) = known(cluster, 4)
    assert "10.98.0.14 node4" in files
    everyone = ["node1", "node2", "node3", "node4"]
    assert names(cluster.guests(4)) == everyone
    assert names(cluster.guests(4)[::-1]) == everyone
    # The size is remembered by the servers, not by the site or by this machine.
    assert cluster.good("build").changed == 0
    assert domains(cluster)[-1] == "fst-node4"


def test_guests_above_are_removed_and_the_rest_run_on(cluster: ClusterUnderTest) -> None:
    boots = cluster.boots(2)
    planned = cluster.good("build", "--nodes", "2", "--dry-run")
    fewer = cluster.good("build", "--nodes", "2")
    assert fewer.changed > 0
    assert_kept(planned, fewer)
    assert domains(cluster) == ["fst-node1", "fst-node2"]
    assert cluster.boots(2) == boots
    (files,) = known(cluster, 2)
    assert "node3" not in files
    volumes = cluster.on("server1", ["virsh", "vol-list", "farswitch"])
    assert "node2" in volumes
    assert "node3" not in volumes
    for server, own in (("server1", {"fsg5001", "fsb5001", "fsb5002"}), ("server2", {"fss5001"})):
        assert own <= wires(cluster, server)
        assert not any(name.endswith("5003") for name in wires(cluster, server))
    assert names(cluster.guests(2)) == ["node1", "node2"]

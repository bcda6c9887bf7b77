"""A snapshot of real guests: saved, everything broken, restored, and a job across the switch."""

from __future__ import annotations

import pytest

from tests.lab.clusters import ClusterUnderTest, Run
from tests.lab.guests import names

pytestmark = [pytest.mark.lab, pytest.mark.root]

KEPT = ["find", "/var/lib/farswitch", "-type", "f", "-exec", "cat", "{}", "+"]
"""Prints record and journal, with the cluster's keys."""


def files(cluster: ClusterUnderTest) -> list[str]:
    """Return what the guests say of their state, in memory and on the disk."""
    return [guest.root("cat /run/state /root/state") for guest in cluster.guests()]


def write(cluster: ClusterUnderTest, text: str) -> None:
    for guest in cluster.guests():
        guest.root(f"echo {text} | tee /run/state >/root/state")


def snapshot(cluster: ClusterUnderTest, *words: str, status: int = 0) -> Run:
    """Run a command of `snapshot`, which has to end with that status."""
    run = cluster.run(f"snapshot {words[0]}", *words[1:])
    assert run.status == status, run.said
    return run


def test_broken_guests_and_links_come_back_as_they_were_saved(cluster: ClusterUnderTest):
    write(cluster, "before")
    boots = cluster.boots()
    kept = cluster.on("server1", KEPT)
    assert snapshot(cluster, "save", "fresh", "--dry-run").changed == 3
    assert snapshot(cluster, "list").document["snapshots"] == []
    assert snapshot(cluster, "save", "fresh").changed == 3
    (one,) = snapshot(cluster, "list").document["snapshots"]
    assert (one["name"], one["nodes"], one["refusal"]) == (
        "fresh", ["node1", "node2", "node3"], ""
    )  # fmt: skip
    snapshot(cluster, "save", "fresh", status=2)

    write(cluster, "after")
    cluster.guest(1).root("rm -rf /etc/ssh /etc/hosts")
    cluster.on("server1", ["virsh", "-q", "destroy", f"{cluster.name}-node2"])
    cluster.on("server1", ["ip", "link", "del", "fsv5003"])
    restored = snapshot(cluster, "restore", "fresh")
    assert {row["name"] for row in restored.document["stages"]} >= {"snapshot_restore", "clock"}
    assert files(cluster) == ["before\nbefore"] * 3
    assert cluster.boots() == boots
    assert cluster.on("server1", KEPT) == kept
    now = float(cluster.on("server1", ["date", "+%s"]))
    for guest in cluster.guests():
        assert abs(float(guest.root("date +%s")) - now) < 8, "clocks go right again"
    assert names(cluster.guests()) == ["node1", "node2", "node3"]
    assert cluster.good("verify", "--only", "tunnel,reach,nfs").failed_checks() == []
    assert cluster.good("build").changed == 0

    assert snapshot(cluster, "remove", "fresh").changed == 3
    snapshot(cluster, "restore", "fresh", status=2)
    assert snapshot(cluster, "list").document["snapshots"] == []

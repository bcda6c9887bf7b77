"""`make trial-freeze`: snapshots of real guests, restored ten times, and killed at ten moments."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator

import pytest

from farswitch.lab import control
from farswitch.lab.addresses import Lab
from tests.lab.clusters import ClusterUnderTest
from tests.lab.comparison import Snapshot, compare, observe, settle
from tests.own_lab import WITH_GUESTS, own_lab

pytestmark = [pytest.mark.trial, pytest.mark.lab, pytest.mark.root]

Figure = Callable[[str, object], None]
TIMES, SEED = 10, 15
MOST_TURNS = 20
"""Until so many were killed: a command may have ended before its moment came."""
BREAKS = (
    ("server1", ["virsh", "-q", "destroy", "fsz-node2"]),
    ("server1", ["virsh", "-q", "suspend", "fsz-node3"]),
    ("server1", ["ip", "link", "set", "fsv9102", "down"]),
    ("server1", ["ip", "link", "del", "fsb9103"]),
    ("server2", ["ip", "link", "del", "fsv9101"]),
)
"""What is done to servers; by turns, beside what is done within the guests."""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with own_lab("fsz", WITH_GUESTS) as lab:
        control.up(lab)
        yield lab


@pytest.fixture(scope="module")
def untouched(lab: Lab) -> Snapshot:
    settle(lab)
    return observe(lab)


@pytest.fixture(scope="module")
def cluster(
    lab: Lab, untouched: Snapshot, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ClusterUnderTest]:
    made = ClusterUnderTest("fsz", 9101, "10.92.0", "10.92.1", lab, tmp_path_factory.mktemp("z"))
    made.write_site()
    made.good("build")
    yield made
    made.run("teardown")


def write(cluster: ClusterUnderTest, text: str) -> None:
    for guest in cluster.guests():
        guest.root(f"echo {text} | tee /run/state >/root/state; sync")


def said(cluster: ClusterUnderTest) -> set[str]:
    return {guest.root("cat /run/state /root/state") for guest in cluster.guests()}


def test_a_broken_cluster_is_restored_ten_times(
    cluster: ClusterUnderTest, record_property: Figure
) -> None:
    write(cluster, "saved")
    boots, began = cluster.boots(), time.monotonic()
    cluster.good("snapshot save", "fresh")
    record_property("figure", f"save of three guests: {time.monotonic() - began:.1f} s")
    took = []
    for turn in range(TIMES):
        write(cluster, f"turn{turn}")
        cluster.guest(1).root("rm -rf /etc/ssh /etc/hosts")
        cluster.guest(3).root("ip link set data0 down")
        cluster.on(*BREAKS[turn % len(BREAKS)])
        began = time.monotonic()
        cluster.good("snapshot restore", "fresh")
        took.append(time.monotonic() - began)
        assert said(cluster) == {"saved\nsaved"}
        assert cluster.boots() == boots
        assert cluster.good("verify").failed_checks() == []
    shown = " ".join(f"{one:.1f}" for one in took)
    record_property("figure", f"{TIMES} of {TIMES} restored and verified; restore took {shown} s")
    cluster.good("snapshot remove", "fresh")


def killed(cluster: ClusterUnderTest, command: str, seconds: float) -> bool:
    """Kill a command after some seconds; return False where it had ended."""
    process = cluster.start(*command.rsplit(" ", 1))
    try:
        time.sleep(seconds)  # the moment itself, not a condition
        return process.poll() is None
    finally:
        process.kill()
        process.wait()


def duration(cluster: ClusterUnderTest, *command: str) -> float:
    began = time.monotonic()
    cluster.good(*command)
    return time.monotonic() - began


def test_a_save_that_is_killed_leaves_the_old_state_or_the_new(
    cluster: ClusterUnderTest, record_property: Figure
) -> None:
    draw, outcomes = random.Random(SEED), []
    whole = duration(cluster, "snapshot save", "cut")
    cluster.good("snapshot remove", "cut")
    boots = cluster.boots()
    hit = 0
    for turn in range(MOST_TURNS):
        write(cluster, f"save{turn}")
        hit += killed(cluster, "snapshot save cut", draw.uniform(0.2, 1.0) * whole)
        assert cluster.good("build").changed == 0, "the next run waits for the server's own end"
        there = cluster.good("snapshot list").document["snapshots"]
        assert [one["refusal"] for one in there] in ([], [""])
        assert (cluster.boots(), said(cluster)) == (boots, {f"save{turn}\nsave{turn}"})
        outcomes.append("new" if there else "old")
        if there:
            cluster.good("snapshot remove", "cut")
        if hit == TIMES:
            break
    assert hit == TIMES
    record_property("figure", f"save killed at {hit} moments of {whole:.1f} s: {outcomes}")


def test_a_restore_that_is_killed_leaves_the_old_state_or_the_new(
    cluster: ClusterUnderTest, record_property: Figure
) -> None:
    draw, outcomes = random.Random(SEED), []
    write(cluster, "saved")
    cluster.good("snapshot save", "cut")
    whole, boots = duration(cluster, "snapshot restore", "cut"), cluster.boots()
    hit = 0
    for turn in range(MOST_TURNS):
        write(cluster, f"restore{turn}")
        hit += killed(cluster, "snapshot restore cut", draw.uniform(0.1, 0.8) * whole)
        cluster.good("build")
        assert cluster.boots() == boots, "no guest was started anew for it"
        found = said(cluster)
        assert found in ({"saved\nsaved"}, {f"restore{turn}\nrestore{turn}"})
        outcomes.append("new" if found == {"saved\nsaved"} else "old")
        if hit == TIMES:
            break
    assert hit == TIMES
    record_property("figure", f"restore killed at {hit} moments of {whole:.1f} s: {outcomes}")
    assert cluster.good("verify", "--attack", "--control").failed_checks() == []


def test_another_size_is_refused_and_a_teardown_leaves_nothing(
    cluster: ClusterUnderTest, lab: Lab, untouched: Snapshot
) -> None:
    cluster.good("build", "--nodes", "2")
    refused = cluster.run("snapshot restore", "cut")
    assert refused.status == 1
    assert "it is of node[1-3], and the cluster has node[1-2] now" in refused.said
    cluster.good("teardown")
    settle(lab)
    assert compare(untouched, observe(lab)) == []

"""What a build does about guests' taps and seeds, with guests that stand still."""

from __future__ import annotations

import json

import pytest

from tests.soak.ground import Ground

pytestmark = [pytest.mark.root, pytest.mark.soak]


def test_a_tap_that_somebody_removed_comes_back_by_one_build(ground: Ground):
    cluster = ground.cluster
    assert ground.run("build").status == 0

    def pid(guest: str) -> str:
        return cluster.on("server1", ["cat", f"/run/libvirt/qemu/{guest}.pid"])

    other = pid("fsk-node2")
    cluster.on("server1", ["ip", "link", "del", "fsd8001"])
    assert "~ domain fsk-node1 (replug)" in ground.run("build", "--dry-run", "-v").said
    mended = ground.run("build")
    assert (mended.status, mended.changed) == (0, 1), mended.said
    (tap,) = json.loads(cluster.on("server1", ["ip", "-j", "link", "show", "fsd8001"]))
    assert tap["master"] == "fsb8001"
    assert pid("fsk-node2") == other
    ground.converges()
    assert ground.run("teardown").status == 0
    assert ground.leftovers() == []


def test_somebody_elses_volume_of_our_name_is_refused_and_kept(ground: Ground):
    cluster, name = ground.cluster, "fsk.node2.1.qcow2"
    assert ground.run("build", "--nodes", "1").status == 0
    add = ("vol-create-as", "farswitch", name, "2M", "--format", "raw")
    cluster.on("server1", ["virsh", "-q", *add])
    refused = ground.run("build", "--nodes", "2")
    assert refused.status == 1
    assert f"Volume '{name}' on server 'server1' exists without our mark" in refused.said
    ground.run("build", "--nodes", "1")
    assert name in cluster.on("server1", ["virsh", "vol-list", "farswitch"])
    cluster.on("server1", ["virsh", "-q", "vol-delete", name, "farswitch"])
    ground.converges("--nodes", "2")
    cluster.on("server1", ["virsh", "-q", "undefine", "fsk-node2"])  # as our hint tells
    cluster.on("server1", ["virsh", "-q", "destroy", "fsk-node2"])
    ground.converges()
    assert ground.run("teardown").status == 0
    assert ground.leftovers() == []

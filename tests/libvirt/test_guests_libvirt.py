"""Which domains are ours, which are wanted, and whose are left alone, on libvirt's test driver."""

from __future__ import annotations

import pytest

from farswitch.connections.libvirt.plugin import Hypervisor
from farswitch.connections.shell.local import LocalShell
from farswitch.errors import ForeignObjectError
from farswitch.guests import boot_plan, remove
from farswitch.model.cluster import cluster
from farswitch.site.loader import ROOT, load_site

CLUSTER = cluster(load_site(str(ROOT / "inventory/lab")), None)
NODE1, NODE2, _ = CLUSTER.guests
MARK = '<f:mark xmlns:f="urn:farswitch:1" cluster="{}" guest="{}" state="ready" disk="2"/>'


def define(hypervisor: Hypervisor, name: str, metadata: str = "") -> None:
    hypervisor.define(
        f"<domain type='test'><name>{name}</name><memory>1024</memory><os><type>hvm</type></os>"
        f"<metadata>{metadata}</metadata></domain>"
    )


def test_only_domains_with_our_clusters_mark_are_ours(hypervisor: Hypervisor):
    define(hypervisor, "lab-node1", MARK.format("lab", "node1"))
    define(hypervisor, "lab-node2")
    define(hypervisor, "lab-2-node1", MARK.format("lab-2", "node1"))
    define(hypervisor, "renamed", MARK.format("lab", "node9"))
    found = {state.guest: state.name for state in remove.observe(hypervisor, "lab")}
    assert found == {"node1": "lab-node1", "node9": "renamed"}


def test_guests_above_the_wanted_number_go(hypervisor: Hypervisor):
    for number in (1, 5, 4):
        define(hypervisor, f"lab-node{number}", MARK.format("lab", f"node{number}"))
    removal = remove.removal_of(
        hypervisor,
        LocalShell("server1"),
        "lab",
        "none",
        lambda name: name not in {"node1", "node2"},
    )
    assert list(removal.domains) == [("node4", "lab-node4"), ("node5", "lab-node5")]
    assert removal.lines == ["- domain lab-node4", "- domain lab-node5"]


@pytest.mark.parametrize(
    ("volume", "goes"),
    [
        ("lab.node3.1.qcow2", True),
        ("lab.node3.seed.iso", True),
        ("lab.node1.2.qcow2", False),
        ("lab-2.node3.1.qcow2", False),
        ("base-own-0123456789abcdef.qcow2", False),
    ],
)
def test_a_volume_goes_with_its_guest(volume: str, goes: bool):
    assert remove.is_of(volume, "lab", lambda guest: guest not in {"node1", "node2"}) is goes


def test_an_unknown_guest_is_absent_and_ours_is_read(hypervisor: Hypervisor):
    define(hypervisor, NODE1.domain, MARK.format("lab", "node1"))
    assert boot_plan.observe(hypervisor, NODE2) is None
    have = boot_plan.observe(hypervisor, NODE1)
    assert have is not None
    assert (have.state.state, have.mark.state, have.mark.disk) == ("shut off", "ready", 2)


@pytest.mark.parametrize("metadata", ["", MARK.format("lab-2", "node1"), MARK.format("lab", "x")])
def test_a_domain_of_our_name_without_our_mark_is_refused(hypervisor: Hypervisor, metadata: str):
    define(hypervisor, NODE1.domain, metadata)
    with pytest.raises(ForeignObjectError, match="'lab-node1' on server 'server1'"):
        boot_plan.observe(hypervisor, NODE1)

"""The guard on a real kernel: what nft lists afterwards, and what packets do."""

import json
from ipaddress import ip_address

import pytest

from farswitch.connections.shell.local import LocalShell
from farswitch.errors import ForeignObjectError
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest, Server
from farswitch.model.settings import Settings
from tests.netns.converged import guard as converge

pytestmark = pytest.mark.root


def cluster_of(name="lab", vni=41, guests=2, far="10.99.1.2") -> Cluster:
    settings = Settings(cluster=name, vni_base=vni)
    one = Server("server1", "hypervisor", "h1", ip_address("10.99.1.1"))
    two = Server("server2", "switch", "h2", ip_address(far))
    nodes = tuple(Guest(f"node{i}", i, "server1", settings) for i in range(1, guests + 1))
    return Cluster(settings, (one,), two, nodes)


def listed(shell):
    found = json.loads(shell.run(("nft", "-j", "list", "ruleset")).stdout)["nftables"]
    return [one for one in found if "metainfo" not in one]


@pytest.fixture(params=["server1", "server2"])
def role(request):
    return request.param


def test_guard_stands_after_first_run_and_second_changes_nothing(box, role):
    cluster = cluster_of()
    server = cluster.server(role)
    first = converge(box, cluster, server, "u0")
    assert [change.family for change in first] == (
        ["inet", "bridge"] if role == "server1" else ["inet"]
    )
    chains = {one["chain"]["hook"] for one in listed(box) if "chain" in one}
    assert {"input", "forward", "output"} <= chains
    assert converge(box, cluster, server, "u0") == ()


def test_dry_run_tells_but_does_not_touch(box, role):
    cluster = cluster_of()
    assert converge(box, cluster, cluster.server(role), "u0", dry_run=True)
    assert listed(box) == []


def test_rule_that_somebody_removed_comes_back(box):
    cluster = cluster_of()
    server = cluster.server("server1")
    converge(box, cluster, server, "u0")
    before = listed(box)
    rules = [one["rule"] for one in before if "rule" in one and one["rule"]["family"] == "inet"]
    place = ("inet", cluster.owner.guard_table, "input", "handle", str(rules[0]["handle"]))
    box.run(("nft", "delete", "rule", *place))
    (change,) = converge(box, cluster, server, "u0")
    assert change.family == "inet"
    assert len(listed(box)) == len(before)


def test_another_guest_replaces_the_tables(box):
    converge(box, cluster_of(guests=2), cluster_of().server("server1"), "u0")
    grown = cluster_of(guests=3)
    assert len(converge(box, grown, grown.server("server1"), "u0")) == 2
    assert "fsm43" in box.run(("nft", "list", "ruleset")).stdout


def test_table_without_our_mark_is_refused(box):
    box.run(("nft", "add", "table", "inet", "farswitch_lab"))
    with pytest.raises(ForeignObjectError, match="farswitch_lab"):
        converge(box, cluster_of(), cluster_of().server("server2"), "u0")
    with pytest.raises(ForeignObjectError):
        converge(box, cluster_of(), cluster_of().server("server2"), "u0", present=False)


def test_removal_leaves_the_other_cluster_and_can_run_twice(box):
    one, two = cluster_of(), cluster_of("other", vni=141)
    for cluster in (one, two):
        converge(box, cluster, cluster.server("server1"), "u0")
    assert len(converge(box, one, one.server("server1"), "", present=False)) == 2
    assert {o["table"]["name"] for o in listed(box) if "table" in o} == {"farswitch_other"}
    assert converge(box, one, one.server("server1"), "", present=False) == ()
    converge(box, two, two.server("server1"), "", present=False)
    assert listed(box) == []


def test_shell_is_of_the_namespace(box):
    assert isinstance(box, LocalShell)
    assert box.run(("ip", "-o", "link")).stdout.count("\n") == 1

"""The attacks of verify, on namespaces: none gets through the guard, each does where it is open."""

import json
from ipaddress import ip_address

import pytest

from farswitch.proof import frame_counts
from tasks.checks.attack.kinds import Outside
from tasks.checks.attack.run import Third, attack, survey
from tests.netns.wires import reaches, sh

pytestmark = pytest.mark.root
ALL = {
    "ping", "arp", "route", "ipv6", "spoof_mac", "spoof_address", "vni_direct", "vni_nat", "beyond",
}  # fmt: skip
BRIDGE = "nft delete table bridge farswitch_lab; "
INET = "nft delete table inet farswitch_lab; "
NOT_ISOLATED = (
    "ip link set fsm41 type bridge_slave isolated off; "
    "ip link set fsm42 type bridge_slave isolated off; "
)
MASQUERADE = (
    "nft add table ip n; nft add chain ip n c '{ type nat hook postrouting priority 100; }'; "
    "nft add rule ip n c oifname u0 masquerade; "
)
PROXY = "echo 1 >/proc/sys/net/ipv4/conf/fsg41/proxy_arp_pvlan"


@pytest.fixture
def guarded(net):
    """The namespaces with the guard, and every wire of them forwarding."""
    one, two = (guest.data_address.ip for guest in net.cluster.guests)
    assert reaches(net.guests[0], two)
    assert reaches(net.guests[1], one)
    assert all(reaches(net.third, server.underlay) for server in net.cluster.servers)
    assert all(reaches(guest, net.cluster.management_gateway.ip) for guest in net.guests)
    for box in (net.one, net.two):  # as a build leaves it
        for key in ("iptables", "ip6tables", "arptables"):
            sh(box, f"echo 0 >/proc/sys/net/bridge/bridge-nf-call-{key}")
    net.guard()
    return net


@pytest.fixture
def attacked(guarded, monkeypatch):
    """Run all attacks; what is returned are the checks."""
    monkeypatch.setattr(frame_counts, "GAP", 0.003)
    cluster = guarded.cluster
    boxes = [guarded.one, guarded.two, *guarded.guests]
    names = [one.name for one in (*cluster.servers, *cluster.guests)]
    shells = dict(zip(names, boxes, strict=True))

    def run():
        devices = {server.name: "u0" for server in cluster.servers}
        servers = survey(cluster, devices, shells)
        (nic,) = json.loads(sh(guarded.third, "ip -j link show dev u0"))
        third = Third(Outside("u0", nic["address"], ip_address("10.99.1.3")), guarded.third)
        return list(attack(servers, cluster.guests, shells, third, "mend"))

    return run


def failed(checks):
    return {(one.host, one.name.partition(".")[2]) for one in checks if not one.ok}


def test_nothing_gets_through_the_guard_and_the_switch_loses_nothing(attacked):
    checks = attacked()
    assert [(one.name, one.measured) for one in checks if not one.ok] == []
    assert len(checks) == 2 * len(ALL) + 2 + 2
    assert {one.measured for one in checks if one.name == "attack.ping"} == {
        "0 of 100 from node1 to node2 arrived (control seen)",
        "0 of 100 from node2 to node1 arrived (control seen)",
    }
    assert {one.measured for one in checks if one.name == "attack.legitimate"} == {
        "110 of 110 arrived at node1",
        "110 of 110 arrived at node2",
    }


@pytest.mark.parametrize(
    ("one", "two", "open_"),
    [
        (NOT_ISOLATED, "", set()),
        (BRIDGE, "", {"spoof_mac", "spoof_address"}),
        (BRIDGE + NOT_ISOLATED, "", {"ping", "arp", "ipv6", "spoof_mac", "spoof_address"}),
        (INET, "", {"route", "vni_direct", "beyond", "server1"}),
        (INET + MASQUERADE, "", {"route", "vni_direct", "vni_nat", "beyond", "server1"}),
        ("", INET, {"server2"}),
        (PROXY, "", {"arp"}),
    ],
    ids=["isolation", "bridge table", "both", "server1", "nat", "server2", "proxy"],
)
def test_each_way_that_stands_open_is_found(guarded, attacked, one, two, open_):
    """`open_` names the attacks that get through, and the servers that the third host got into."""
    sh(guarded.one, one or ":")
    sh(guarded.two, two or ":")
    found = {what if what != "third_host" else host for host, what in failed(attacked())}
    assert found - {"legitimate"} == open_


def test_a_listener_that_does_not_hear_what_is_allowed_proves_nothing(guarded, attacked):
    sh(guarded.two, "ip link set fss41 down")
    checks = attacked()
    assert {what for _, what in failed(checks)} == ALL | {"third_host", "legitimate"}
    assert all("0 of 1" in one.measured or "no control" in one.measured for one in checks)


def test_an_attack_that_does_not_leave_the_guest_proves_nothing(guarded, attacked):
    sh(guarded.guests[0], "nft add table netdev t; nft add chain netdev t c "
       "'{ type filter hook egress device mgmt0 priority 0; }'; "
       "nft add rule netdev t c ether type ip6 drop")  # fmt: skip
    checks = [one for one in attacked() if not one.ok]
    assert [(one.name, one.measured.partition(":")[0]) for one in checks] == [
        ("attack.ipv6", "not made from node1 to node2")
    ]

"""Rules that are asked before table main, as those of VPNs, on a real kernel."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from farswitch.connections.netlink.routes import captured
from farswitch.connections.shell.local import LocalShell
from farswitch.errors import Obstacle
from farswitch.links.clashes import captured_network
from farswitch.links.wanted_server import wanted_server
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest, Server
from farswitch.model.settings import Settings
from tests.netns.inside import NetnsEndpoint
from tests.netns.wires import pid, sh

pytestmark = pytest.mark.root
SETTINGS = Settings(cluster="t")
ONE: Any = Server("server1", "hypervisor", "h1", ip_address("198.51.100.1"))
TWO: Any = Server("server2", "switch", "h2", ip_address("198.51.100.2"))
GUESTS = tuple(Guest(f"node{at}", at, "server1", SETTINGS) for at in (1, 2, 3))
CLUSTER = Cluster(SETTINGS, (ONE,), TWO, GUESTS)
VPN = "ip route add 10.0.0.0/8 dev vpn0 table 52; ip rule add pref 5270 lookup 52"
TAILSCALE = (
    "ip rule add pref 5210 fwmark 0x80000/0xff0000 lookup main; "
    "ip rule add pref 5230 fwmark 0x80000/0xff0000 lookup default; "
    "ip rule add pref 5250 fwmark 0x80000/0xff0000 unreachable; "
)
"""Its rules before the fourth, which is that of VPN."""


@pytest.fixture
def box(boxes) -> LocalShell:
    machine = boxes()
    sh(machine, "ip link add vpn0 type veth peer name v; ip link set vpn0 up; ip link set v up; "
                "ip addr add 100.64.0.1/24 dev vpn0")  # fmt: skip
    return machine


def found(box: LocalShell) -> list[Obstacle]:
    want = wanted_server(CLUSTER, CLUSTER.server("server1"))
    with NetnsEndpoint("server1", f"/proc/{pid(box)}/ns/net").session() as ipr:
        names = {link["index"]: link.get("ifname") for link in ipr.link("dump")}
        capture = captured(ipr, [guest.management_address.ip for guest in CLUSTER.guests])
    return list(captured_network(want, capture, names))


def bridge(box: LocalShell) -> None:
    """Make the guests' management bridge, as a build does."""
    name = SETTINGS.management_bridge
    sh(box, f"ip link add {name} type bridge; ip addr add 10.10.0.1/24 dev {name}; "
            f"ip link set {name} up")  # fmt: skip


def leads_to(box: LocalShell) -> str:
    return sh(box, f"ip route get {CLUSTER.guests[0].management_address.ip}").split()[2]


@pytest.mark.parametrize("standing", [False, True])
def test_a_vpns_rule_is_named_and_the_remedy_helps_as_it_stands(box, standing: bool):
    sh(box, VPN)
    if standing:
        bridge(box)
        assert leads_to(box) == "vpn0"
    (obstacle,) = found(box)
    assert "a rule of priority 5270 that leads to management_network 10.10.0.0/24" in obstacle.what
    assert "by table 52, over 'vpn0'" in obstacle.what
    sh(box, obstacle.remedy.partition("': ")[2].partition("; or")[0])
    assert found(box) == []
    if not standing:
        bridge(box)
    assert leads_to(box) == SETTINGS.management_bridge
    assert found(box) == []


@pytest.mark.parametrize(
    "others",
    [
        pytest.param(TAILSCALE, id="tailscale"),
        pytest.param("ip rule add pref 100 from 198.51.100.1 lookup main", id="from"),
        pytest.param("ip rule add pref 200 to 192.168.0.0/16 lookup main", id="to"),
        pytest.param("ip rule add pref 200 not to 10.0.0.0/8 lookup main", id="not-to"),
        pytest.param("ip rule add pref 200 iif vpn0 lookup main", id="iif"),
        pytest.param("ip rule add pref 200 oif vpn0 lookup main", id="oif"),
        pytest.param("ip rule add pref 200 ipproto tcp dport 22 lookup main", id="port"),
        pytest.param("ip rule add pref 200 uidrange 7-7 lookup main", id="uid"),
        pytest.param("ip rule add pref 200 tos 0x10 lookup main", id="tos"),
    ],
)
def test_main_is_not_asked_earlier_by_rules_for_other_packets(box, others: str):
    sh(box, f"{others.strip('; ')}; {VPN}")
    (obstacle,) = found(box)
    assert "a rule of priority 5270 " in obstacle.what
    sh(box, obstacle.remedy.partition("': ")[2].partition("; or")[0])
    assert found(box) == []
    bridge(box)
    assert leads_to(box) == SETTINGS.management_bridge


@pytest.mark.parametrize(
    "selector",
    [
        "not fwmark 0xca6c",
        "fwmark 0/0xff0000",
        "iif lo",
        "to 10.10.0.0/16",
        "not to 192.168.0.0/16",
    ],
)
def test_a_rule_for_what_the_server_sends_is_named_whatever_it_says(box, selector: str):
    sh(box, f"ip route add default dev vpn0 table 52; ip rule add pref 9 {selector} lookup 52")
    (obstacle,) = found(box)
    assert "a rule of priority 9 " in obstacle.what
    bridge(box)
    assert leads_to(box) == "vpn0"


@pytest.mark.parametrize("kind", ["unreachable", "prohibit", "blackhole"])
def test_a_vpn_that_is_down_and_lets_nothing_else_pass_is_named(box, kind: str):
    sh(box, f"ip route add {kind} default table 52; ip rule add pref 5270 lookup 52")
    (obstacle,) = found(box)
    assert "a rule of priority 5270 " in obstacle.what
    assert "by table 52, which refuses it, before" in obstacle.what
    sh(box, obstacle.remedy.partition("': ")[2].partition("; or")[0])
    assert found(box) == []
    bridge(box)
    assert leads_to(box) == SETTINGS.management_bridge


def test_a_route_to_the_last_guest_alone_is_seen(box):
    address = GUESTS[-1].management_address.ip
    sh(box, f"ip route add {address} dev vpn0 table 52; ip rule add pref 9 lookup 52")
    (obstacle,) = found(box)
    assert "a rule of priority 9 " in obstacle.what


@pytest.mark.parametrize(
    "harmless",
    [
        pytest.param("true", id="nothing"),
        pytest.param("ip route add default dev vpn0", id="default-in-main"),
        pytest.param("ip route add default dev vpn0 table 52; ip rule add pref 40000 lookup 52",
                     id="after-main"),
        pytest.param("ip route add default dev vpn0 table 52; "
                     "ip rule add pref 100 from 198.51.100.1 lookup 52", id="of-another-source"),
        pytest.param("ip route add default dev vpn0 table 52; "
                     "ip rule add pref 100 fwmark 7 lookup 52", id="of-marked-packets"),
        pytest.param("ip route add default dev vpn0 table 52; ip rule add pref 40000 lookup 52; "
                     "ip rule add pref 100 fwmark 7 lookup 52", id="of-marked-packets-and-after"),
        pytest.param("ip route add unreachable 10.0.0.0/8; "
                     "ip route add unreachable 10.12.0.0/16 table 52; "
                     "ip route add unreachable default table 53; "
                     "ip rule add pref 9 lookup 52; ip rule add pref 40000 lookup 53",
                     id="refused-later"),
        pytest.param("ip route add 10.12.0.0/16 dev vpn0 table 52; ip rule add pref 9 lookup 52",
                     id="another-network"),
        pytest.param("ip rule add pref 9 lookup main suppress_prefixlength 0; "
                     "ip route add default dev vpn0 table 52; ip rule add pref 10 lookup 52",
                     id="wg-quick"),
    ],
)  # fmt: skip
def test_rules_that_leave_the_network_alone_are_no_obstacle(box, harmless: str):
    sh(box, harmless)
    assert found(box) == []
    bridge(box)
    assert leads_to(box) == SETTINGS.management_bridge
    assert found(box) == []

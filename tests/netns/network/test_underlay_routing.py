"""Which way tunnels go where routes hang on more than the destination, on a real kernel."""

from __future__ import annotations

import subprocess
from ipaddress import ip_address

import pytest

from farswitch.errors import FarswitchError
from tasks.bridge import bridge
from tasks.vxlan import vxlan

pytestmark = pytest.mark.root
HERE, THERE = "198.51.100.11", "198.51.100.12"


def sh(lab, server, script):
    argv = ["ip", "netns", "exec", lab.namespaces[server], "sh", "-ec", script]
    subprocess.run(argv, check=True)


def carries(lab, echo, *, mtu=1450):
    """Build, and send between two guests through both servers."""
    for name in lab.namespaces:
        device = lab.underlay(name).device
        lab.run(name, bridge, mtu=mtu)
        lab.run(name, vxlan, mtu=mtu, device=device)
    spaces = [lab.plug(guest, mtu=mtu) for guest in lab.cluster.guests]
    lab.settle("server1", "fsd41", "fsd42")
    return echo(spaces[0], str(lab.cluster.guests[1].data_address.ip), timeout=5)


def prefix_without_route(lab):
    sh(lab, "server1", f"ip addr del {HERE}/24 dev u0; ip addr add {HERE}/24 dev u0 noprefixroute")


@pytest.mark.parametrize(
    "rule",
    [f"from {HERE}", f"from {HERE} iif lo", f"from {HERE} uidrange 0-0", "from all fwmark 0"],
)
def test_a_connected_route_in_another_table_is_found_by_the_source(two_servers, echo, rule):
    lab = two_servers()
    prefix_without_route(lab)
    sh(lab, "server1", f"ip rule add {rule} lookup 100; "
       "ip route add 198.51.100.0/24 dev u0 table 100")  # fmt: skip
    assert (lab.underlay("server1").device, lab.underlay("server1").mtu) == ("u0", 1500)
    assert carries(lab, echo)


def test_an_mtu_of_that_route_counts(two_servers):
    lab = two_servers()
    sh(lab, "server1", f"ip rule add from {HERE} lookup 100; "
       "ip route add 198.51.100.0/24 dev u0 mtu 1300 table 100")  # fmt: skip
    assert lab.underlay("server1").mtu == 1300


@pytest.mark.parametrize("kind", ["unreachable", "blackhole", "prohibit"])
def test_a_rule_that_forbids_the_source_is_no_route(two_servers, kind):
    lab = two_servers()
    sh(lab, "server1", f"ip rule add from {HERE} lookup 100; ip route add {kind} {THERE} table 100")
    with pytest.raises(FarswitchError, match=f"no route to .*{THERE}.* from {HERE}") as refused:
        lab.underlay("server1")
    assert f"ip route get {THERE} from {HERE}, and ip rule" in refused.value.hint


@pytest.mark.parametrize("order", ["first", "second"])
def test_one_of_several_addresses_of_a_device_may_be_the_underlays(two_servers, echo, order):
    lab = two_servers()
    if order == "second":
        sh(lab, "server1", f"ip addr flush dev u0; ip addr add 198.51.100.99/24 dev u0; "
           f"ip addr add {HERE}/24 dev u0")  # fmt: skip
    else:
        sh(lab, "server1", "ip addr add 198.51.100.99/24 dev u0; "
           "ip route replace 198.51.100.0/24 dev u0 src 198.51.100.99")  # fmt: skip
    assert lab.underlay("server1").source == ip_address(HERE)
    assert carries(lab, echo)


def test_an_address_by_itself_with_a_gateway_on_the_link(two_servers, echo):
    lab = two_servers()
    sh(lab, "server1", f"ip addr flush dev u0; ip addr add {HERE}/32 dev u0; "
       f"ip route add default via {THERE} dev u0 onlink")  # fmt: skip
    sh(lab, "server2", "ip route replace 198.51.100.0/24 dev u0")
    assert lab.underlay("server1").device == "u0"
    assert carries(lab, echo)


def test_an_address_of_the_loopback_goes_by_any_device(two_servers, echo):
    lab = two_servers()
    sh(lab, "server1", f"ip addr flush dev u0; ip addr add 203.0.113.1/24 dev u0; "
       f"ip addr add {HERE}/32 dev lo; ip route add {THERE} dev u0")  # fmt: skip
    sh(lab, "server2", f"ip route add {HERE} dev u0")
    assert lab.underlay("server1").device == "u0"
    assert carries(lab, echo)


def test_an_ipv6_underlay_may_be_deprecated_beside_a_newer_address(two_servers, echo):
    lab = two_servers(v6=True)
    sh(lab, "server1", "ip addr add fd00:5::99/64 dev u0 nodad; "
       "ip addr change fd00:5::11/64 dev u0 preferred_lft 0")  # fmt: skip
    assert lab.underlay("server1").source == ip_address("fd00:5::11")
    assert carries(lab, echo, mtu=1430)


def test_an_ipv6_route_by_source_alone(two_servers, echo):
    lab = two_servers(v6=True)
    sh(lab, "server1", "ip addr del fd00:5::11/64 dev u0; "
       "ip addr add fd00:5::11/64 dev u0 nodad noprefixroute; "
       "ip -6 rule add from fd00:5::11 lookup 100; "
       "ip -6 route add fd00:5::/64 dev u0 table 100")  # fmt: skip
    assert lab.underlay("server1").device == "u0"
    assert carries(lab, echo, mtu=1430)


def test_a_macvlan_may_be_the_underlay(two_servers, echo):
    lab = two_servers()
    sh(lab, "server1", f"ip addr flush dev u0; ip link add m0 link u0 type macvlan mode bridge; "
       f"ip addr add {HERE}/24 dev m0; ip link set m0 up")  # fmt: skip
    assert lab.underlay("server1").device == "m0"
    assert carries(lab, echo)


def test_a_bridge_may_be_the_underlay(two_servers, echo):
    lab = two_servers()
    sh(lab, "server1", f"ip addr flush dev u0; ip link add br0 type bridge; "
       f"ip link set u0 master br0; ip addr add {HERE}/24 dev br0; ip link set br0 up")  # fmt: skip
    lab.settle("server1", "br0")
    assert lab.underlay("server1").device == "br0"
    assert carries(lab, echo)


def test_two_ways_of_equal_cost_are_held_to_one_device(two_servers, echo):
    lab = two_servers()
    two = lab.namespaces["server2"]
    sh(lab, "server1", f"ip link add u1 type veth peer name u1 netns {two}; ip link set u1 up; "
       f"ip addr flush dev u0; ip addr add {HERE}/32 dev lo; "
       f"ip route add {THERE} nexthop dev u0 nexthop dev u1")  # fmt: skip
    sh(lab, "server2", f"ip link set u1 up; ip addr flush dev u0; ip addr add {THERE}/32 dev lo; "
       f"ip route add {HERE} nexthop dev u0 nexthop dev u1")  # fmt: skip
    assert carries(lab, echo)


def test_an_address_of_a_port_is_refused_and_the_remedy_mends_it(two_servers):
    lab = two_servers()
    sh(lab, "server1", "ip link add br0 type bridge; ip link set br0 up; ip link set u0 master br0")
    with pytest.raises(FarswitchError, match=f"{HERE} .* is on 'u0', which is a port of 'br0'"):
        lab.underlay("server1")
    sh(lab, "server1", f"ip address del {HERE}/24 dev u0; ip address add {HERE}/24 dev br0")
    lab.settle("server1", "br0")
    assert lab.underlay("server1").device == "br0"


def test_an_address_that_leaves_by_another_device_is_refused(two_servers):
    lab = two_servers()
    sh(lab, "server1", f"ip addr flush dev u0; ip addr add 203.0.113.1/24 dev u0; "
       f"ip link add e1 type bridge; ip link add e2 type veth peer name e3; "
       f"ip link set e2 master e1 up; ip link set e3 up; ip link set e1 up; "
       f"ip addr add {HERE}/32 dev e1; ip route add {THERE} dev u0")  # fmt: skip
    lab.settle("server1", "e1")
    with pytest.raises(
        FarswitchError, match=r"from 203.0.113.1, not .* and by 'u0', which has not"
    ):
        lab.underlay("server1")

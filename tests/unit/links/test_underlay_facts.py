"""What is concluded of an underlay from interfaces and routes."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_interface

import pytest

from farswitch.connections.netlink.links import Link
from farswitch.connections.netlink.routes import Route
from farswitch.errors import FarswitchError
from farswitch.links.underlay import OVERHEAD_V4, OVERHEAD_V6, LowerDevice, judge, lower_devices
from farswitch.model.machines import Server

ONE = Server("server1", "hypervisor", "server1", ip_address("198.51.100.11"))
TWO = Server("server2", "switch", "server2", ip_address("198.51.100.12"))
THREE = Server("server3", "hypervisor", "server3", ip_address("198.51.100.13"))
LINKS = [
    Link(2, "eth0", mtu=1500, addresses=(ip_interface("203.0.113.5/24"),)),
    Link(3, "eth1", mtu=9000, addresses=(ip_interface("198.51.100.11/24"),)),
]
ROUTE = Route(device=3, source=ONE.underlay, mtu=None, local=False)


def test_the_device_of_the_route_is_the_underlay():
    found = judge(ONE, LINKS, [(TWO, ROUTE)])
    assert (found.server, found.device, found.source) == ("server1", "eth1", ONE.underlay)
    assert (found.mtu, found.overhead) == (9000, OVERHEAD_V4) == (9000, 50)


def test_a_route_with_a_smaller_mtu_counts():
    ways = [(TWO, ROUTE), (THREE, replace(ROUTE, mtu=1400))]
    assert judge(ONE, LINKS, ways).mtu == 1400


def test_an_ipv6_underlay_costs_twenty_bytes_more():
    address = ip_address("fd00::11")
    links = [Link(3, "eth1", addresses=(ip_interface("fd00::11/64"),))]
    route = replace(ROUTE, source=address)
    found = judge(replace(ONE, underlay=address), links, [(TWO, route)])
    assert found.overhead == OVERHEAD_V6 == 70


@pytest.mark.parametrize(
    ("links", "ways", "words"),
    [
        pytest.param(
            LINKS[:1], [(TWO, ROUTE)], "198.51.100.11 is on no interface", id="address-is-nowhere"
        ),
        pytest.param(
            [LINKS[0], replace(LINKS[1], up=False, running=False)],
            [(TWO, None)],
            "device 'eth1' of 'server1' is down",
            id="device-is-down",
        ),
        pytest.param(
            [LINKS[0], replace(LINKS[1], running=False)],
            [(TWO, ROUTE)],
            "device 'eth1' of 'server1' has no carrier",
            id="no-carrier",
        ),
        pytest.param(LINKS, [(TWO, None)], "no route to .*198.51.100.12", id="no-route"),
        pytest.param(
            LINKS,
            [(TWO, replace(ROUTE, device=2, source=ip_address("203.0.113.5")))],
            "from 203.0.113.5, not 198.51.100.11, and by 'eth0'",
            id="another-source",
        ),
        pytest.param(
            [*LINKS[:1], replace(LINKS[1], master="blue"), Link(4, "blue", "vrf")],
            [(TWO, ROUTE)],
            "is on 'eth1', which is in VRF 'blue'",
            id="vrf",
        ),
        pytest.param(LINKS, [(TWO, replace(ROUTE, local=True))], "itself", id="peer-is-itself"),
        pytest.param(
            LINKS,
            [(TWO, ROUTE), (THREE, replace(ROUTE, device=2))],
            "several devices: eth0, eth1",
            id="two-devices",
        ),
    ],
)
def test_what_cannot_carry_tunnels_is_refused_with_a_hint(links, ways, words):
    with pytest.raises(FarswitchError, match=words) as caught:
        judge(ONE, links, ways)
    assert caught.value.hint


def test_vlans_on_bonds_below_a_bridge_are_followed_down():
    links = [
        Link(2, "eth0", master="bond0"),
        Link(3, "eth1", master="bond0"),
        Link(4, "bond0", "bond"),
        Link(5, "bond0.5", "vlan", lower="bond0", master="br0"),
        Link(6, "br0", "bridge"),
        Link(7, "br0.7", "vlan", lower="br0"),
    ]
    bonded = [LowerDevice("bond0"), LowerDevice("eth0"), LowerDevice("eth1")]
    assert list(lower_devices("br0", links)) == [LowerDevice("bond0.5", "br0"), *bonded]
    assert lower_devices("br0.7", links)[:2] == (LowerDevice("br0"), LowerDevice("bond0.5", "br0"))

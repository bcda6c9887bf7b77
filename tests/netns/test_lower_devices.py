"""What carries the underlay's device, on a real kernel: uplinks, not containers' ends."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from farswitch.connections.netlink.links import dump
from farswitch.connections.shell.local import LocalShell
from farswitch.firewall.modes import FirewallInTheWayError
from farswitch.links.underlay import LowerDevice, lower_devices
from tests.netns.inside import NetnsEndpoint
from tests.netns.test_firewall_hooks import run
from tests.netns.wires import pid, sh

pytestmark = pytest.mark.root
CONTAINERS = (
    "ip link add {name} type veth peer name eth0 netns {inside}; ip link set {name} master br0"
)
DROP = (
    "tc qdisc add dev {name} clsact; tc filter add dev {name} ingress protocol all "
    "u32 match u32 0 0 action mirred egress redirect dev lo"
)


def below(box: LocalShell, device: str) -> list[tuple[str, str]]:
    with NetnsEndpoint("server1", f"/proc/{pid(box)}/ns/net").session() as ipr:
        return [(lower.name, lower.bridge) for lower in lower_devices(device, dump(ipr))]


@pytest.fixture
def bridged(boxes: Callable[[], LocalShell]) -> tuple[LocalShell, LocalShell]:
    """A server whose bridge has an uplink, a container, a virtual machine and a patch."""
    box, inside = boxes(), boxes()
    sh(box, "ip link add br0 type bridge; ip link add eth0 type ifb; ip link set eth0 master br0; "
            "ip tuntap add vnet0 mode tap; ip link set vnet0 master br0; "
            "ip link add patch0 type veth peer name patch1; ip link set patch0 master br0; "
            + CONTAINERS.format(name="veth1a2b", inside=pid(inside)))  # fmt: skip
    return box, inside


def test_containers_and_virtual_machines_beside_the_uplink_carry_nothing(bridged):
    box, _ = bridged
    assert below(box, "br0") == [("eth0", "br0"), ("patch0", "br0")]


def test_what_drops_on_a_containers_end_is_no_obstacle_and_on_the_uplink_is(bridged):
    box, _ = bridged
    sh(box, DROP.format(name="veth1a2b"))
    lower = tuple(LowerDevice(*pair) for pair in below(box, "br0"))
    assert run(box, "check", below=lower).changes == ()
    sh(box, DROP.format(name="eth0"))
    with pytest.raises(FirewallInTheWayError, match="ingress of device 'eth0'"):
        run(box, "check", below=lower)


def test_a_server_that_is_a_container_has_its_veth_below(boxes):
    box, host = boxes(), boxes()
    sh(box, "ip link add br0 type bridge; " + CONTAINERS.format(name="eth0", inside=pid(host)))
    assert below(box, "br0") == [("eth0", "br0")]


def test_a_server_that_is_a_container_has_its_guests_taps_not_below(boxes):
    box, host = boxes(), boxes()
    sh(box, "ip link add br0 type bridge; ip tuntap add vnet0 mode tap; "
            "ip link set vnet0 master br0; "
            + CONTAINERS.format(name="eth0", inside=pid(host)))  # fmt: skip
    assert below(box, "br0") == [("eth0", "br0")]


def test_a_tap_that_a_bridge_has_alone_is_its_uplink(box):
    sh(box, "ip link add br0 type bridge; ip tuntap add vpn0 mode tap; "
            "ip link set vpn0 master br0")  # fmt: skip
    assert below(box, "br0") == [("vpn0", "br0")]


def test_a_macvlan_has_its_device_below(box):
    sh(box, "ip link add eth0 type ifb; ip link add link eth0 name u0 type macvlan")
    assert below(box, "u0") == [("eth0", "")]


def test_devices_on_others_in_another_namespace_have_none_of_this_one_below(boxes):
    """The kernel gives the far one's index there, which another device has here."""
    box, host = boxes(), boxes()
    sh(host, "for at in 12 13; do ip link add e$at index $at type veth peer name p$at; done; "
             f"ip link add link e12 name a index 13 netns {pid(box)} type macvlan; "
             f"ip link add link e13 name b index 12 netns {pid(box)} type macvlan")  # fmt: skip
    assert below(box, "a") == below(box, "b") == []

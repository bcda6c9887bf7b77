"""At which interfaces the frames of guests are captured."""

from __future__ import annotations

from farswitch.capture.points import CapturePoint, capture_points
from farswitch.connections.netlink.links import Link
from farswitch.errors import FarswitchError
from farswitch.status.observed import ServerLook
from tests.unit.capture.sightings import CLUSTER, ONE, THREE
from tests.unit.checks.test_check_attack_frames import servers

DEVICES = {"server1": "wg0", "server2": "eth1", "far": "u0"}
MAC = "02:00:00:00:00:01"


def looked(*, without: str = "") -> dict[str, ServerLook]:
    """Return what is there: all interfaces, in some order, but one."""
    names = ["eth1", "u0", *(f"fs{kind}{vni}" for kind in "vbd" for vni in (41, 42, 43))]
    links = [Link(at, name, mac=MAC) for at, name in enumerate(names, start=2) if name != without]
    links.append(Link(90, "wg0"))
    look = ServerLook(FarswitchError("not asked"), tuple(links), 0.0)
    return dict.fromkeys(DEVICES, look)


def test_they_are_taps_both_ends_of_the_tunnels_and_the_underlay_in_the_order_of_the_way():
    points, missing = capture_points(CLUSTER, (ONE, THREE), looked(), DEVICES)
    assert missing == []
    assert [str(point) for point in points] == [
        "server1 fsd41 (node1)", "server1 fsv41 (node1)", "server1 fsd43 (node3)",
        "server1 fsv43 (node3)", "server1 wg0 (underlay)", "far u0 (underlay)",
        "far fsv41 (node1)", "far fsv43 (node3)",
    ]  # fmt: skip
    assert points[0] == CapturePoint("server1", "tap", "fsd41", 10, "node1")
    assert [point.name for point in points if not point.ethernet] == ["wg0"]


def test_one_that_is_missing_is_named_and_the_others_are_captured_at():
    points, missing = capture_points(CLUSTER, (ONE,), looked(without="fsd41"), DEVICES)
    assert missing == ["tap 'fsd41' of 'server1'"]
    assert [point.name for point in points] == ["fsv41", "wg0", "u0", "fsv41"]


def test_of_several_hypervisors_those_of_the_guests_take_part():
    cluster = servers(homes=("server1", "server2", "server1")).cluster
    points, _ = capture_points(cluster, (ONE, THREE), looked(), DEVICES)
    assert {point.host for point in points} == {"server1", "far"}
    points, _ = capture_points(cluster, cluster.guests, looked(), DEVICES)
    assert {point.host for point in points} == {"server1", "server2", "far"}

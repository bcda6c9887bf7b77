"""A switch that is a program gets a veth end a guest, which carries whole frames, and no more."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import pytest

from farswitch.links.offloads import interfaces
from farswitch.model.settings import Settings
from farswitch.model.switch import Switch, SwitchState, Traits
from farswitch.remote import command
from tasks.guard import guard
from tests.netns.built_servers import PROBES, Net, sh, two_servers

pytestmark = pytest.mark.root
GRO_OFF = """
import array, fcntl, socket, struct, sys
value = array.array("I", [0x2C, 0])  # ETHTOOL_SGRO of <linux/ethtool.h>
request = struct.pack("16sP", sys.argv[1].encode(), value.buffer_info()[0])
fcntl.ioctl(socket.socket(), 0x8946, request)
"""


class OwnSwitch(Switch):
    """One of a package of somebody else's, which holds whatever is there."""

    kind: ClassVar[str] = "own"

    @property
    def traits(self) -> Traits:
        return Traits("plain port", "socket", places=False)

    def observe(self, host, owner) -> SwitchState:
        return SwitchState(frozenset({"fsx41", "fsx42"}))

    def plan(self, have, ports, owner) -> Sequence[str]:
        return []

    def apply(self, host, owner, changes) -> None: ...

    def describe(self, host, owner) -> Mapping[str, str]:
        return {}


@pytest.fixture(scope="module")
def net(lasting_boxes, tmp_path_factory) -> Net:
    net = two_servers(lasting_boxes, tmp_path_factory.mktemp("plain"), switch=OwnSwitch())
    net.build()
    net.plug()
    return net


def links(net: Net) -> dict[str, dict]:
    shown = json.loads(net.boxes["server2"].run(("ip", "-j", "-d", "link")).stdout)
    return {link["ifname"]: link for link in shown}


def test_each_guest_has_a_bridge_and_a_pair_of_its_own(net):
    found = links(net)
    for vni in (41, 42):
        tunnel, bridge, near, end = (f"fs{letter}{vni}" for letter in "vnpx")
        assert found[tunnel]["master"] == found[near]["master"] == bridge
        assert found[near]["link"] == end
        assert "master" not in found[end]
        assert {found[name]["mtu"] for name in (tunnel, bridge, near, end)} == {1450}
        assert "NOARP" in found[end]["flags"]
        assert found[end]["ifalias"] == found[near]["ifalias"] == f"farswitch:t:node{vni - 40}"
    assert "fss41" not in found


def test_frames_leave_the_near_end_whole_and_are_merged_there(net):
    text = net.boxes["server2"].run(command("interfaces")).stdout
    offloads = {one.name: one.offloads for one in interfaces(text)}
    assert offloads["fsp41"] == offloads["fsp42"] == ("gro",)


def test_a_second_build_changes_nothing(net):
    assert net.build() == []


def test_every_check_passes(net):
    for name in (name for probe in PROBES for name in probe.checks):
        assert [(check.measured, check.cause) for check in net.failed(name)] == []


def test_an_offload_that_somebody_switches_on_is_named_and_repaired(net):
    net.boxes["server2"].run(("python3", "-c", GRO_OFF, "fsp41"))
    (drift,) = net.failed("server.drift")
    assert "fsp41 gro off -> on" in drift.measured
    net.follow(drift.fix)
    assert net.failed("server.drift") == []


def test_a_far_end_that_is_removed_comes_back_with_its_pair(net):
    sh(net.boxes["server2"], "ip link del fsx41")
    assert net.failed("server.drift")
    net.build()
    test_each_guest_has_a_bridge_and_a_pair_of_its_own(net)


def echoes_heard(net: Net) -> int:
    """Return how many echo requests the switch server's own stack has taken in."""
    lines = net.boxes["server2"].read("/proc/net/snmp").decode().splitlines()
    names, values = (line.split() for line in lines if line.startswith("Icmp:"))
    return int(dict(zip(names, values, strict=True))["InEchos"])


def test_the_server_hears_nothing_at_an_end(net):
    """A guest asks for an address of the server's: it learns no MAC, and by one it gets nowhere."""
    server, guests = net.boxes["server2"], net.boxes["guests"]
    sh(server, "ip addr replace 10.0.0.200/32 dev lo")
    sh(guests, "ip addr replace 10.0.0.11/24 dev d41")
    ask = command("echo", "1", "10.0.0.200")
    before = echoes_heard(net)
    guests.run(ask)
    assert "lladdr" not in sh(guests, "ip neigh show 10.0.0.200 dev d41")
    mac = links(net)["fsx41"]["address"]
    sh(guests, f"ip neigh replace 10.0.0.200 lladdr {mac} dev d41")
    guests.run(ask)
    assert echoes_heard(net) == before
    net.task("server2", guard, owner=net.cluster.owner, present=False)
    guests.run(ask)
    assert echoes_heard(net) > before, "without the guard it does: the test would see it"
    net.build()


def test_another_kind_of_switch_takes_over_at_the_next_build(net):
    settings = Settings(cluster="t")
    cluster = replace(
        net.cluster,
        settings=settings,
        guests=tuple(replace(guest, settings=settings) for guest in net.cluster.guests),
    )
    bridged = replace(net, context=replace(net.context, cluster=cluster))
    assert bridged.build()
    assert {name for name in links(net) if name.startswith("fs")} == {"fss41", "fsv41", "fsv42"}
    assert net.build()
    test_each_guest_has_a_bridge_and_a_pair_of_its_own(net)

"""A local path: two guests on one bridge of their hypervisor, nothing on the switch, and back."""

from __future__ import annotations

import json

import pytest

from farswitch.deadline import Deadline, wait_until
from farswitch.errors import FarswitchError
from tasks.checks.path import counters
from tests.netns.built_servers import MTU, Net, sh, with_guests
from tests.netns.exchanges import heard
from workflows.local_path import judge, local_steps, remote_steps

pytestmark = pytest.mark.root
LOCAL, OWN = {"fsd41": "fsl41", "fsd42": "fsl41"}, {"fsd41": "fsb41", "fsd42": "fsb42"}


@pytest.fixture(scope="module")
def made(lasting_boxes, tmp_path_factory) -> Net:
    return with_guests(lasting_boxes, tmp_path_factory.mktemp("local"))


@pytest.fixture
def net(made) -> Net:
    """The servers as they are built, whatever a test before has left."""
    remote(made)
    assert made.build() == []
    return made


def local(net: Net, seconds: int = 60) -> None:
    for one in local_steps(net.cluster, "u0", MTU, seconds=seconds):
        net.task("server1", one.task, **one.arguments)


def remote(net: Net) -> bool:
    """Give the taps back; tell whether they were local until then."""
    done = [
        net.task("server1", one.task, **one.arguments)
        for one in remote_steps(net.cluster, "u0", MTU)
    ]
    return bool(done[0].result)


def masters(net: Net) -> dict[str, str]:
    links = json.loads(sh(net.boxes["server1"], "ip -j link"))
    return {one["ifname"]: one["master"] for one in links if one["ifname"].startswith("fsd")}


def counted(net: Net) -> dict[str, counters.Count]:
    links = json.loads(sh(net.boxes["server2"], "ip -j -s link"))
    found = {one["ifname"]: one["stats64"] for one in links}
    sides = {guest.tunnel: found[guest.tunnel] for guest in net.cluster.guests}
    return {
        name: counters.Count(one["rx"]["bytes"], one["tx"]["bytes"]) for name, one in sides.items()
    }


def test_guests_talk_past_the_switch_and_come_back(net):
    assert heard(net)
    local(net)
    assert masters(net) == LOCAL
    before = counted(net)
    assert heard(net)
    assert judge(net.cluster, counters.growth(before, counted(net))).ok
    local(net)
    assert heard(net), "twice is fine"
    assert remote(net)
    assert masters(net) == OWN
    before = counted(net)
    assert heard(net)
    verdict = judge(net.cluster, counters.growth(before, counted(net)))
    assert not verdict.ok
    assert verdict.measured != "0 B crossed the switch"
    assert "fsl41" not in sh(net.boxes["server1"], "ip -br link")
    assert net.build() == []


def test_the_server_gives_the_taps_back_by_itself(net):
    local(net, seconds=2)
    assert masters(net) == LOCAL
    wait_until(lambda: masters(net) == OWN, Deadline(30), what="The end of the local path")
    wait_until(
        lambda: "fsl41" not in sh(net.boxes["server1"], "ip -br link"),
        Deadline(10),
        what="The end of the bridge",
    )
    assert heard(net)
    assert not remote(net), "what was measured was not all local"
    assert net.build() == []


def test_a_build_repairs_what_a_run_that_was_cut_off_has_left(net):
    local(net)
    assert net.build()
    assert masters(net) == OWN
    assert heard(net)
    assert net.build() == []
    armed = sh(net.boxes["server1"], "ls /run/farswitch-deadman 2>/dev/null || true")
    assert armed == ""


def test_a_guest_that_is_off_is_named(net):
    sh(net.boxes["server1"], "ip link set fsd42 down; ip link set fsd42 name away")
    try:
        with pytest.raises(FarswitchError, match="There is no tap fsd42 on 'server1'"):
            local(net)
        assert masters(net) == {"fsd41": "fsb41"}
    finally:
        sh(net.boxes["server1"], "ip link set away name fsd42; ip link set fsd42 up")

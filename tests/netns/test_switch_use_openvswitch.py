"""Open vSwitch on the tunnels gives way and takes over under running traffic."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from farswitch.errors import FarswitchError
from farswitch.model.switch import Switch, parse_switch
from farswitch.proof.datagram_stream import datagram_stream
from tasks.switch_remove import switch_remove
from tests.netns.built_servers import Net, with_guests
from tests.netns.exchanges import (
    before_the_move,
    converged,
    exchanged,
    heard,
    holder,
    killed_at,
    timer_ended,
)
from tests.netns.own_openvswitch import OwnOpenVSwitch, needs_openvswitch, own_openvswitch

pytestmark = [pytest.mark.root, needs_openvswitch]
SCRIPT = str(Path(__file__).parents[2] / "examples/switch.py")
KINDS: dict[str, object] = {
    "bridge": "bridge",
    "super": {"openvswitch": {"datapath": "netdev", "tso": True}},
    "program": {
        "program": {"file": SCRIPT, "command": ["python3", "{file}", "{ports}"], "ready": "^ready"}
    },
}
MASTERS = {"bridge": {"fss41"}, "super": {None}, "program": {"fsn41", "fsn42"}}


def kind(name: str) -> Switch:
    return parse_switch(KINDS[name])


@pytest.fixture(scope="module")
def daemons() -> list[OwnOpenVSwitch]:
    return []


@pytest.fixture
def ovs(made, daemons) -> OwnOpenVSwitch:
    return daemons[0]


@pytest.fixture(scope="module")
def made(lasting_boxes, tmp_path_factory, daemons) -> Iterator[Net]:
    net = with_guests(lasting_boxes, tmp_path_factory.mktemp("use"))
    with own_openvswitch(net.boxes["server2"], tso=True) as own:
        daemons.append(own)
        yield net
        net.task("server2", switch_remove, owner=net.cluster.owner)


@pytest.fixture
def net(made) -> Net:
    """The servers with the bridge as their switch, whatever a test before has left."""
    converged(made)
    return made


def put(net: Net, name: str) -> Net:
    """Return the servers with a switch in use."""
    used = exchanged(net, kind(name)) if name != "bridge" else net
    converged(used)
    return used


@pytest.mark.parametrize(
    ("first", "second"),
    [("bridge", "super"), ("super", "bridge"), ("super", "program"), ("program", "super")],
)
def test_a_stream_survives_an_exchange(net, first, second, record_property):
    old, boxes = put(net, first), net.boxes
    with datagram_stream(boxes["node1"], boxes["node2"], "10.0.0.12", 500) as stream:
        new = exchanged(old, kind(second), drain=1.0)
        converged(new)
        figures = stream.end()
    print(figures)
    record_property("figure", str(figures))
    assert figures.lost < figures.sent / 4
    assert set(holder(net).values()) == MASTERS[second]
    assert heard(net)
    assert converged(new) == []


@pytest.mark.parametrize(("first", "second"), [("bridge", "super"), ("super", "bridge")])
def test_a_daemon_that_is_killed_in_the_middle_leaves_one_that_forwards(
    net, ovs, monkeypatch, first, second
):
    old = put(net, first)
    with monkeypatch.context() as patch:
        before_the_move(patch, lambda: ovs.kill("ovs-vswitchd"))
        if second == "super":
            with pytest.raises(FarswitchError, match="'ovs-vswitchd' does not run"):
                exchanged(old, kind(second))
        else:
            exchanged(old, kind(second))
    assert heard(net)
    assert set(holder(net).values()) == MASTERS["bridge"]
    ovs.start("ovs-vswitchd", "unix:/run/openvswitch/db.sock")
    converged(net)
    assert heard(net)


@pytest.mark.parametrize(
    ("first", "second", "point"),
    [
        ("bridge", "super", "_enslave"),
        pytest.param("bridge", "super", "_attach", marks=pytest.mark.trial),
        pytest.param("super", "bridge", "_enslave", marks=pytest.mark.trial),
        pytest.param("super", "bridge", "_attach", marks=pytest.mark.trial),
    ],
)
def test_a_controller_that_is_killed_leaves_the_old_or_the_new(net, first, second, point):
    old = put(net, first)
    assert killed_at(old, kind(second), point)
    assert heard(net), "at once"
    timer_ended(net)
    assert heard(net), "when the server has undone it"
    assert set(holder(net).values()) == MASTERS[first]
    converged(exchanged(old, kind(second)))
    assert heard(net)
    assert set(holder(net).values()) == MASTERS[second]

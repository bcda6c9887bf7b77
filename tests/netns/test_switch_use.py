"""A switch gives way to another under running traffic: the old or the new stands, never none."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from farswitch.connections.access import shell
from farswitch.errors import FarswitchError
from farswitch.model.switch import Switch, SwitchState, Traits, parse_switch
from farswitch.proof.datagram_stream import datagram_stream
from farswitch.switches import program_host
from tasks.switch_remove import switch_remove
from tests.netns.built_servers import Net, sh, with_guests
from tests.netns.exchanges import (
    POINTS,
    before_the_move,
    converged,
    exchanged,
    heard,
    holder,
    killed_at,
    timer_ended,
    with_switch,
)

pytestmark = pytest.mark.root
SCRIPT = str(Path(__file__).parents[2] / "examples/switch.py")


def program(*words: str) -> Switch:
    command = ["python3", "{file}", "{ports}"]
    about = {"file": SCRIPT, "command": [*words, *command], "ready": "^ready"}
    return parse_switch({"program": about | {"ready_timeout": 8, "stop": 2}})


BRIDGE, PROGRAM, OTHER = parse_switch("bridge"), program(), program("env", "A=1")
DEAD = parse_switch({"program": {"command": ["sh", "-c", "echo no; exit 3"]}})
DEAF = parse_switch(
    {"program": {"command": ["sh", "-c", "echo ready; exec sleep 60"], "ready": "r"}}
)


class Taker(Switch):
    """A bridge that stands on the server already, which makes itself the master of the tunnels."""

    kind: ClassVar[str] = "taker"

    @property
    def traits(self) -> Traits:
        return Traits("tunnel", "master", places=False)

    def observe(self, host, owner) -> SwitchState:
        found = shell(host).run(["ip", "-j", "link", "show", "master", "br-lab"]).stdout
        return SwitchState(frozenset(link["ifname"] for link in json.loads(found or "[]")))

    def plan(self, have, ports, owner) -> Sequence[str]:
        return [port.device for port in ports if port.device not in have.held]

    def apply(self, host, owner, changes) -> None:
        for device in changes:
            shell(host).run(["ip", "link", "set", device, "master", "br-lab"])

    def describe(self, host, owner) -> Mapping[str, str]:
        return {}


@pytest.fixture(scope="module")
def made(lasting_boxes, tmp_path_factory) -> Iterator[Net]:
    net = with_guests(lasting_boxes, tmp_path_factory.mktemp("use"))
    yield net
    net.task("server2", switch_remove, owner=net.cluster.owner)


@pytest.fixture
def net(made) -> Net:
    """The servers with the bridge as their switch, whatever a test before has left."""
    converged(made)
    return made


def sockets(net: Net) -> int:
    """Return how many programs run on the switch server, whosever ports they have."""
    found = program_host.programs(net.context.hosts["server2"], net.cluster.name)
    return sum(one.alive for one in found)


def of_ours(net: Net) -> set[str]:
    shown = json.loads(net.boxes["server2"].run(("ip", "-j", "link")).stdout)
    return {one["ifname"] for one in shown if one["ifname"].startswith("fs")}


AT_BRIDGE = {"fsv41": "fss41", "fsv42": "fss41"}
AT_PORTS = {"fsv41": "fsn41", "fsv42": "fsn42"}


@pytest.mark.parametrize(
    ("first", "second", "masters"),
    [(BRIDGE, PROGRAM, AT_PORTS), (PROGRAM, BRIDGE, AT_BRIDGE), (PROGRAM, OTHER, AT_PORTS)],
    ids=["bridge-program", "program-bridge", "program-program"],
)
def test_a_stream_survives_an_exchange(net, first, second, masters, record_property):
    old = exchanged(net, first) if first is not BRIDGE else net
    converged(old)
    boxes = net.boxes
    with datagram_stream(boxes["node1"], boxes["node2"], "10.0.0.12", 500) as stream:
        new = exchanged(old, second, drain=1.0)
        converged(new)
        figures = stream.end()
    record_property("figure", str(figures))
    print(figures)
    assert figures.sent > 500
    assert figures.lost < figures.sent / 4
    assert holder(net) == masters
    assert heard(net)
    assert converged(new) == []
    assert with_switch(net, second).build() == []


@pytest.mark.parametrize("other", [BRIDGE, PROGRAM], ids=["bridge", "program"])
def test_one_that_takes_the_ports_comes_and_goes(net, other):
    sh(
        net.boxes["server2"],
        "ip link show br-lab >/dev/null 2>&1 || ip link add br-lab type bridge",
    )
    sh(net.boxes["server2"], "ip link set br-lab up")
    old = exchanged(net, other) if other is not BRIDGE else net
    converged(old)
    taken = exchanged(old, Taker())
    assert converged(taken)
    assert holder(net) == dict.fromkeys(AT_BRIDGE, "br-lab")
    assert heard(net)
    with pytest.raises(FarswitchError, match="heard nothing of"):
        exchanged(taken, DEAF)
    assert holder(net) == dict.fromkeys(AT_BRIDGE, "br-lab")
    assert heard(net)
    converged(taken)
    converged(exchanged(taken, other))
    assert heard(net)
    assert holder(net) == (AT_BRIDGE if other is BRIDGE else AT_PORTS)


def test_without_an_exchange_nothing_is_lost(net):
    boxes = net.boxes
    with datagram_stream(boxes["node1"], boxes["node2"], "10.0.0.12") as stream:
        assert heard(net)
        figures = stream.end()
    assert (figures.lost, figures.doubled) == (0, 0)


@pytest.mark.parametrize(
    ("bad", "sentence"), [(DEAD, "exit code 3"), (DEAF, "heard nothing of 10.0.0.12")]
)
def test_one_that_does_not_forward_leaves_the_old_one_in_place(net, bad, sentence):
    before = of_ours(net)
    with pytest.raises(FarswitchError, match=sentence):
        exchanged(net, bad)
    assert holder(net) == AT_BRIDGE
    assert heard(net)
    assert converged(net)
    assert of_ours(net) == before


def test_one_that_does_not_begin_leaves_the_old_program_in_place(net):
    old = exchanged(net, PROGRAM)
    converged(old)
    (before,) = program_host.programs(net.context.hosts["server2"], net.cluster.name)
    with pytest.raises(FarswitchError, match="exit code 3"):
        exchanged(old, DEAD)
    (after,) = program_host.programs(net.context.hosts["server2"], net.cluster.name)
    assert (after.pid, after.restarts) == (before.pid, 0), "what it had learnt is there"
    assert heard(net)
    assert holder(net) == AT_PORTS
    assert converged(old) == []


def test_one_that_is_killed_in_the_middle_leaves_the_old_one_in_place(net, monkeypatch):
    def kill() -> None:
        (program,) = program_host.programs(net.context.hosts["server2"], net.cluster.name)
        sh(net.boxes["server2"], f"kill -9 {program.pid}")

    with monkeypatch.context() as patch:
        before_the_move(patch, kill)
        with pytest.raises(FarswitchError, match=r"is not alive: .* was killed by signal 9"):
            exchanged(net, PROGRAM)
    assert holder(net) == AT_BRIDGE
    assert heard(net)
    converged(net)
    assert sockets(net) == 0


def test_an_old_one_that_is_killed_in_the_middle_gives_way_all_the_same(net, monkeypatch):
    old = exchanged(net, PROGRAM)
    converged(old)
    (program,) = program_host.programs(net.context.hosts["server2"], net.cluster.name)
    with monkeypatch.context() as patch:
        before_the_move(patch, lambda: sh(net.boxes["server2"], f"kill -9 {program.pid}"))
        new = exchanged(old, BRIDGE)
    assert holder(net) == AT_BRIDGE
    assert heard(net)
    converged(new)
    assert sockets(net) == 0


WAYS = {
    "to-program": (BRIDGE, PROGRAM, POINTS),
    "to-bridge": (PROGRAM, BRIDGE, POINTS),
    "to-another": (PROGRAM, OTHER, ("_attach", "confirm")),
}
QUICK = {("to-program", "_enslave"), ("to-bridge", "confirm")}
"""The others, each of which waits for the server's timer, are a part of `make trial-switch`."""


@pytest.mark.parametrize(
    ("first", "second", "point"),
    [
        pytest.param(
            first,
            second,
            point,
            id=f"{name}-{point}",
            marks=[] if (name, point) in QUICK else [pytest.mark.trial],
        )
        for name, (first, second, points) in WAYS.items()
        for point in points
    ],
)
def test_a_controller_that_is_killed_leaves_the_old_or_the_new(net, first, second, point):
    old = exchanged(net, first) if first is not BRIDGE else net
    converged(old)
    assert killed_at(old, second, point)
    sides = (AT_BRIDGE, AT_PORTS)

    def stands() -> bool:
        return holder(net) in sides and heard(net)

    assert stands(), "at once"
    timer_ended(net)
    assert stands(), "when the server has undone it"
    stays = second if point == "confirm" else first
    assert holder(net) == sides[stays is not BRIDGE]
    assert sockets(net) == (stays is not BRIDGE), "and no other that doubles its frames"
    converged(exchanged(old, second))
    assert heard(net)
    assert holder(net) == sides[second is not BRIDGE]

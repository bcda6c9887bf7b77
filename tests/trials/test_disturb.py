"""`make trial-disturb`: what ports do to frames, measured, and real guests behind such ports.

The measured part is in namespaces, without TCP's slow start: numbered datagrams and counters.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import pytest

from farswitch.deadline import Deadline, wait_until
from farswitch.impair.plan import PortWish, port_ends
from farswitch.impair.timeline import ImpairmentTimeline
from farswitch.lab import control
from farswitch.lab.addresses import Lab
from farswitch.model.impairment import impairment
from farswitch.model.timeline import ImpairmentEvent
from farswitch.proof.port_figures import interval
from tasks.impair import impair
from tests.lab.clusters import ClusterUnderTest
from tests.netns.built_servers import MTU, Net, with_guests
from tests.netns.conftest import lasting_boxes
from tests.netns.measured import lost_of, steady_rate, streamed
from tests.own_lab import WITH_GUESTS, own_lab

pytestmark = [pytest.mark.trial, pytest.mark.root]
__all__ = ["lasting_boxes"]
Figure = Callable[[str, object], None]
VNI = 8951


@pytest.fixture(scope="module")
def net(lasting_boxes, tmp_path_factory) -> Iterator[Net]:
    net = with_guests(lasting_boxes, tmp_path_factory.mktemp("disturb"))
    yield net
    for server in ("server1", "server2"):  # a delay line outlives its namespace
        net.task(server, impair, ends=(), owner=net.cluster.owner, present=False)


def put(net: Net, direction: str, words: str) -> None:
    """Have the port of node2 do what the words say to what it gets, or node1's to what it sends."""
    to = direction == "to_guest"
    wish = PortWish(**{direction: impairment(words)})
    wishes = {"node2" if to else "node1": wish}
    for server in ("server1", "server2"):
        net.task(server, impair, ends=(), owner=net.cluster.owner, present=False)
        ends = port_ends(net.cluster, net.cluster.server(server), wishes)
        net.task(server, impair, ends=ends, owner=net.cluster.owner, mtu=MTU, lab=True)


def way(net: Net) -> tuple[object, object, str]:
    return net.boxes["node1"], net.boxes["node2"], "10.0.0.12"


@pytest.mark.parametrize("direction", ["to_guest", "from_guest"])
@pytest.mark.parametrize("delay", [0.2, 0.5, 1, 2, 10, 50])
def test_a_delay_is_right_within_a_fifth_of_a_millisecond(
    net: Net, direction: str, delay: float, record_property: Figure
) -> None:
    net.task("server1", impair, ends=(), owner=net.cluster.owner, present=False)
    net.task("server2", impair, ends=(), owner=net.cluster.owner, present=False)
    base = streamed(*way(net), 2000, gap=0.001).median
    put(net, direction, f"delay {delay}ms")
    found = streamed(*way(net), 2000, gap=0.001)
    added = 1000 * (found.median - base)
    record_property("figure", f"delay {direction} {delay} ms: +{added:.3f} ms, {found.lost} lost")
    assert found.lost == 0
    assert abs(added - delay) < 0.2


@pytest.mark.parametrize("direction", ["to_guest", "from_guest"])
@pytest.mark.parametrize("rate", [1, 10, 100, 1000])
def test_a_rate_is_right_within_a_tenth(
    net: Net, direction: str, rate: int, record_property: Figure
) -> None:
    put(net, direction, f"rate {rate}Mbit")
    found = steady_rate(*way(net)) / 1e6
    record_property("figure", f"rate {direction} {rate} Mbit/s: {found:.2f} Mbit/s")
    assert abs(found - rate) < 0.1 * rate


@pytest.mark.parametrize("direction", ["to_guest", "from_guest"])
@pytest.mark.parametrize("percent", [0.1, 1, 5])
def test_a_loss_is_in_the_interval(
    net: Net, direction: str, percent: float, record_property: Figure
) -> None:
    """One interval in twenty misses what is true: both of two do in one of four hundred."""
    share = percent / 100
    count = int(384 * (1 - share) / share)  # frames for 10 % of it to each side
    put(net, direction, f"loss {percent}%")
    intervals = []
    for _ in range(2):
        lost = lost_of(*way(net), count)
        low, high = interval(lost, count)
        intervals.append((low, high))
        shown = f"{lost} of {count} (95 %: {100 * low:.3f} to {100 * high:.3f} %)"
        record_property("figure", f"loss {direction} {percent} %: {shown}")
        if low <= share <= high:
            break
    assert any(low <= share <= high for low, high in intervals)


@pytest.mark.parametrize("words", ["loss 1%", "loss 1% delay 2ms rate 100Mbit"])
def test_bytes_per_drop_are_a_frames(net: Net, words: str, record_property: Figure) -> None:
    put(net, "to_guest", words)
    steady_rate(*way(net), 1.0)
    listed = json.loads(net.boxes["server2"].run(("nft", "-j", "list", "ruleset")).stdout)
    rules = [one["rule"]["expr"] for one in listed["nftables"] if "rule" in one]
    (drops,) = [
        part["counter"] for rule in rules if {"drop": None} in rule for part in rule
        if "counter" in part
    ]  # fmt: skip
    each = drops["bytes"] / drops["packets"]
    record_property("figure", f"{words}: {drops['packets']} drops of {each:.0f} bytes")
    assert each <= MTU


def test_a_timeline_is_punctual(net: Net, record_property: Figure) -> None:
    put(net, "to_guest", "rate 1Gbit")
    written = [
        {"at": f"{at}s", "port": "node2", "to_guest": words, "for": "500ms"}
        for at, words in ((1, "loss 1%"), (2, "rate 10Mbit"), (3, "delay 5ms"))
    ]
    written.append({"at": "4s", "port": "node1", "link": "down", "for": "300ms"})
    events = [ImpairmentEvent.model_validate(one) for one in written]
    late = []
    with ImpairmentTimeline(net.context.hosts, net.cluster, events, mtu=MTU, lab=True) as running:
        running.start()
        late = [(one.step, 1000 * (one.ended - one.at)) for one in running.wait()]
    shown = ", ".join(f"{step} {ms:.1f}" for step, ms in late)
    record_property("figure", f"timeline, ms from the moment to the change's end: {shown}")
    assert len(late) == 8
    assert median(ms for _, ms in late) < 100


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with own_lab("fsi", WITH_GUESTS) as lab:
        control.up(lab)
        yield lab


@pytest.fixture(scope="module")
def cluster(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterUnderTest]:
    made = ClusterUnderTest(
        "fsi", VNI, "10.94.0", "10.94.1", lab, tmp_path_factory.mktemp("impaired")
    )
    made.write_site()
    made.good("build")
    yield made
    made.run("teardown")


def does(document: dict) -> dict[tuple[str, str], dict[str, str]]:
    return {(one["guest"], one["direction"]): one["does"] for one in document["impairments"]}


def test_real_guests_have_what_was_asked_and_verify_does_not_blame_it(
    cluster: ClusterUnderTest, record_property: Figure
) -> None:
    words = "delay 20ms loss 1% rate 10Mbit"
    run = cluster.good("impair set", "node2", "--to-guest", words)
    assert does(run.document) == {
        ("node2", "to_guest"): {"delay": "20ms", "loss": "1%", "rate": "10Mbit"}
    }
    assert [one["quantity"] for one in run.document["measured"]] == ["delay", "loss", "rate"]
    record_property("figure", f"real guests, {words}: {run.document['measured']}")
    assert cluster.good("impair set", "node2", "--to-guest", words, "--no-measure").changed == 0
    assert does(cluster.good("impair show").document) == does(run.document)
    assert does(cluster.good("status").document) == does(run.document)
    proved = cluster.good("verify", "--only", "server,tunnel,mtu,path")
    (named,) = [
        one for one in proved.document["checks"]
        if one["name"] == "server.queues" and one["host"] == "server2"
    ]  # fmt: skip
    assert "delay 20ms loss 1% rate 10Mbit, on purpose" in named["measured"]
    assert cluster.good("impair clear", "node2").changed == 1
    assert does(cluster.good("impair show").document) == {}


def test_a_build_makes_ports_as_the_site_says(cluster: ClusterUnderTest) -> None:
    cluster.good("impair set", "node1", "--from-guest", "rate 5Mbit", "--no-measure")
    cluster.write_site("impairments: {node3: {to_guest: {loss: 1 %}}}")
    assert cluster.good("build").changed > 0
    assert does(cluster.good("impair show").document) == {("node3", "to_guest"): {"loss": "1%"}}
    assert cluster.good("build").changed == 0
    cluster.write_site()
    cluster.good("build")
    assert does(cluster.good("impair show").document) == {}


TIMELINE = """
events:
  - {at: 1 s, port: node3, to_guest: {loss: 1 %}, for: 2 s}
  - {at: 2 s, port: node2, link: down, for: 1 s}
"""


def test_a_timeline_runs_and_one_whose_controller_is_killed_ends_at_once(
    cluster: ClusterUnderTest, tmp_path: Path, record_property: Figure
) -> None:
    file = tmp_path / "timeline.yaml"
    file.write_text(TIMELINE)
    done = cluster.good("impair run", str(file)).document["timeline"]
    record_property("figure", f"timeline on the lab: {done}")
    assert [one["error"] for one in done] == [""] * 4
    file.write_text(TIMELINE.replace("for: 2 s", "for: 600 s"))
    with cluster.start("impair run", str(file)) as process:
        wait_until(
            lambda: "fsi" in cluster.on("server2", ["ip", "-br", "link"]),
            Deadline(120),
            what="The loss",
        )
        process.send_signal(signal.SIGKILL)
    wait_until(
        lambda: "fsi" not in cluster.on("server2", ["ip", "-br", "link"]),
        Deadline(60),
        what="The port as it was",
    )
    assert does(cluster.good("impair show").document) == {}


def test_teardown_leaves_nothing_of_it(cluster: ClusterUnderTest) -> None:
    cluster.good("impair set", "node[1-3]", "--to-guest", "delay 1ms loss 1%", "--no-measure")
    cluster.good("teardown")
    for server in ("server1", "server2"):
        assert cluster.on(server, ["nft", "list", "tables", "netdev"]) == ""
        shown = cluster.on(server, ["ip", "-br", "link"])
        assert not [line for line in shown.splitlines() if line.startswith("fs")]

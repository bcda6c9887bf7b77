"""The bench on a real kernel: two switches, side by side, and one that drops frames is seen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from farswitch.links.wanted import wanted_bridges, wanted_ports, wanted_veths
from farswitch.model.cluster import Cluster
from farswitch.model.switch import Switch, parse_switch
from farswitch.switch_bench.compile import compile_generator
from farswitch.switch_bench.figures import SwitchFigures
from farswitch.switch_bench.ports import bench_cluster, bench_guard, bench_tunnels
from farswitch.switch_bench.trials import TESTS
from farswitch.switch_bench.underlay import BareUnderlay
from tasks.bridge import bridge
from tasks.bridge_ports import bridge_ports
from tasks.guard import guard
from tasks.links_remove import links_remove
from tasks.switch import switch
from tasks.switch_bench import switch_bench
from tasks.switch_remove import switch_remove
from tasks.veth import veth
from tasks.vxlan import vxlan
from tests.netns.built_servers import MTU, Net, sh, two_servers

pytestmark = pytest.mark.root
EXAMPLE = (Path(__file__).parents[2] / "examples/switch.py").read_text()
FORWARD = "                    out.send(frame)\n"
DROPS = """\
                    sent = globals().get("sent", 0) + 1
                    if sent % 20:
                        out.send(frame)
"""
SIZES = (64, 1468)


@pytest.fixture(scope="module")
def net(lasting_boxes, tmp_path_factory) -> Net:
    return two_servers(lasting_boxes, tmp_path_factory.mktemp("bench"))


@pytest.fixture(scope="module")
def generator() -> bytes:
    return compile_generator()


@pytest.fixture
def bench(net: Net) -> Iterator[Cluster]:
    """The bench's ports, without a switch yet; nothing is left of them and of the switch."""
    cluster = bench_cluster(net.cluster, ())
    yield cluster
    net.task("server2", switch_remove, owner=cluster.owner)
    for server in ("server1", "server2"):
        net.task(server, links_remove, owner=cluster.owner)
        net.task(server, guard, owner=cluster.owner, present=False)
        names = [one["ifname"] for one in json.loads(sh(net.boxes[server], "ip -j link"))]
        assert [name for name in names if name.startswith("fs")] == []


def measured(
    net: Net, bench: Cluster, adapter: Switch, generator: bytes, folder: Path, *tests: str
) -> SwitchFigures:
    cluster, path = bench.with_switch(adapter), folder / "generator"
    owner, bare = cluster.owner, isinstance(adapter, BareUnderlay)
    for server in (*cluster.hypervisors, cluster.switch):
        on = server.name
        far = server.role == "switch"
        net.task(on, guard, owner=owner, want=bench_guard(cluster, server, "u0"))
        bridges = wanted_bridges(cluster, server, mtu=MTU) if far else ()
        net.task(on, bridge, bridges=bridges, owner=owner)
        net.task(on, veth, ends=wanted_veths(cluster, server, mtu=MTU), owner=owner)
        tunnels = bench_tunnels(cluster, server, device="u0", mtu=MTU)
        net.task(on, vxlan, tunnels=tunnels, owner=owner)
        net.task(on, bridge_ports, ports=wanted_ports(cluster, server) if far else ())
    net.task("server2", switch, adapter=adapter, ports=cluster.switch_ports(MTU), owner=owner)
    done = net.task(
        "server1", switch_bench,
        ports=[(guest.tunnel, guest.data_mac) for guest in cluster.guests],
        program=generator, path=str(path), switch_host=net.context.hosts["server2"],
        sizes=SIZES, tests=tests, trial_seconds=0.2, bare=bare,
    )  # fmt: skip
    assert not path.exists()
    assert isinstance(done.result, SwitchFigures)
    return done.result


def program(folder: Path, text: str) -> Switch:
    script = folder / "switch.py"
    script.write_text(text)
    command = ["python3", "{file}", "{ports}"]
    return parse_switch({"program": {"file": str(script), "command": command, "ready": "^ready"}})


def test_a_bridge_is_measured_in_all_respects(net, bench, generator, tmp_path):
    found = measured(net, bench, parse_switch("bridge"), generator, tmp_path, *TESTS)
    assert [load.size for load in found.loads] == list(SIZES)
    for load in found.loads:
        assert 0 < load.throughput <= load.offered
        assert load.below is None or load.below > load.throughput
    for light in found.lights:
        assert (light.sent, light.loss, light.doubled) == (200, 0, 0)
        assert 0 < light.latency.p50 <= light.latency.p95 <= light.latency.p99
    assert found.learning.most >= 1024
    for light in (found.flooding_light, found.broadcast_light):
        assert light.loss == 0
    assert found.mesh.throughput > 0
    assert found.recovery.lost > 0
    assert found.recovery.down_ms >= 300


def test_without_a_switch_frames_go_straight_between_two_tunnels(net, bench, generator, tmp_path):
    found = measured(net, bench, BareUnderlay(), generator, tmp_path, "throughput", "latency")
    assert [light.loss for light in found.lights] == [0, 0]
    assert all(load.throughput > 0 for load in found.loads)
    assert set(found.ceiling) == set(SIZES)
    assert min(found.ceiling.values()) > 0


def test_a_program_that_drops_a_twentieth_is_seen_and_one_that_does_not_drops_none(
    net, bench, generator, tmp_path
):
    whole = measured(net, bench, program(tmp_path, EXAMPLE), generator, tmp_path, "latency")
    assert [light.loss for light in whole.lights] == [0, 0]
    assert FORWARD in EXAMPLE
    lossy = program(tmp_path, EXAMPLE.replace(FORWARD, DROPS))
    found = measured(net, bench, lossy, generator, tmp_path, "latency")
    assert [light.loss for light in found.lights] == pytest.approx([0.05, 0.05], abs=0.011)

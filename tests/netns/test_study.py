"""A study in namespaces, with MPI and without guests: what is planted on a port is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from farswitch.study import launch
from farswitch.study.document import KERNELS
from farswitch.study.execute import Listener, execute
from farswitch.study.plan import Cell, Study
from farswitch.study.results import Results
from farswitch.study.statistics import Effect
from farswitch.study.summary import Summary, summarise
from tests.netns.built_servers import Net, sh, two_servers
from tests.netns.study_testbed import NamespaceTestbed

pytestmark = pytest.mark.root

QUICK, SLOW_RATE = 250e6, 100e6
"""Bits a second of what one guest gets."""
RATE_OF = "tc qdisc replace dev fsv41 root tbf rate %.0fbit burst 32kb latency 50ms"
TAKE_AWAY = "tc qdisc del dev fsv41 root 2>/dev/null || true"
LOSE = """nft -f - <<END
table netdev planted { chain out { type filter hook egress device fsv41 priority 0;
numgen random mod 1000 < 10 counter drop } }
END"""
PLANTS = {
    "rate": (RATE_OF % SLOW_RATE, TAKE_AWAY, "pingpong-1MB"),
    "loss": (LOSE, "nft delete table netdev planted 2>/dev/null || true", "pingpong-1MB"),
}
"""What is planted, how it is taken away, and the kernel that must show it."""
PLAIN, SLOW = Cell("plain"), Cell("slow")
LISTENER = Listener(lambda _: None, lambda _: None, lambda _visit, _why: None, lambda: False)


@pytest.fixture(scope="module")
def net(lasting_boxes, tmp_path_factory) -> Net:
    net = two_servers(lasting_boxes, tmp_path_factory.mktemp("study"), apart=True)
    net.build()
    net.plug()
    return net


def studied(net: Net, folder: Path, plant: str, take_away: str, blocks: int) -> Summary:
    """Run a study of a server with and without what is planted there."""
    server = net.boxes["server2"]
    testbed = NamespaceTestbed(net, lambda cell: sh(server, plant if cell == SLOW else take_away))
    study = Study("planted", (PLAIN, SLOW), {"kernels": KERNELS}, "kernels.compute", blocks, 1)
    with Results(folder) as results:
        assert execute(study, testbed, results, LISTENER)
        assert [one.error for one in results.records] == [""] * (2 * blocks + 2)
        ports = [port for one in results.records for port in one.ports.values()]
        assert all(min(port.received, port.sent) > 20e6 for port in ports)
        found = summarise(study, results.records)
    sh(server, take_away)
    assert found.complete
    return found


def effects(found: Summary) -> dict[str, Effect]:
    """Return what was planted did to each kernel."""
    return {
        row.metric.partition(".")[2]: row.effect
        for row in found.rows
        if row.cell == SLOW and " " not in row.metric
    }


def holds_the_rate(found: Effect, rate: float) -> bool:
    """Tell whether a ping-pong of 1 MB took as much longer as a rate on one way must cost.

    Half of a round trip has half of one way at that rate: 8 Mbit, to 5 % more with headers; the
    bucket's 32 kB go at once.
    """
    asked = 8e6 / rate / 2 * 1e6
    return found.difference.low <= 1.05 * asked and found.difference.high >= 0.95 * asked


def test_a_rate_on_one_port_is_found_with_what_it_must_cost(
    net, tmp_path, monkeypatch, record_property
):
    monkeypatch.setattr(launch, "SECONDS", 0.05)
    found = studied(net, tmp_path, RATE_OF % QUICK, TAKE_AWAY, 6)
    effect = effects(found)["pingpong-1MB"]
    record_property("figure", f"{QUICK:.0f} bit/s: {effect}; host {found.host}")
    assert effect.verdict == "slower"
    assert holds_the_rate(effect, QUICK)


@pytest.mark.trial
@pytest.mark.parametrize("kind", PLANTS)
def test_what_is_planted_on_a_port_is_found(net, tmp_path, kind, record_property):
    """Ten blocks each, a second a kernel; the host is as quiet as it is."""
    plant, take_away, metric = PLANTS[kind]
    found = studied(net, tmp_path, plant, take_away, 10)
    effect = effects(found)[metric]
    record_property("figure", f"{kind}: {effect}; host {found.host}")
    assert effect.verdict == "slower"
    if kind == "rate":
        assert holds_the_rate(effect, SLOW_RATE)


@pytest.mark.trial
def test_nothing_planted_shows_no_difference(net, tmp_path, record_property):
    """Seven intervals of 95 %: one may exclude 1 by chance, hardly two."""
    found = effects(studied(net, tmp_path, "true", "true", 10))
    shown = {metric: str(one) for metric, one in found.items() if one.shown}
    record_property("figure", f"nothing planted: {len(found) - len(shown)} of {len(found)} "
                    f"no difference shown; {shown}")  # fmt: skip
    assert len(found) == 7
    assert len(shown) <= 1

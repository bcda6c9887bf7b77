"""A study in namespaces, with MPI and without guests: what is planted on a port is found."""

from __future__ import annotations

import pytest

from farswitch.study import launch
from farswitch.study.document import KERNELS
from farswitch.study.execute import Listener, execute
from farswitch.study.plan import Cell, Study
from farswitch.study.results import Results
from farswitch.study.summary import summarise
from tests.netns.built_servers import sh, two_servers
from tests.netns.study_testbed import NamespaceTestbed

pytestmark = pytest.mark.root

RATE = 250e6
"""Bits a second of what one guest gets."""
PLANT = f"tc qdisc replace dev fsv41 root tbf rate {RATE:.0f}bit burst 32kb latency 50ms"
TAKE_AWAY = "tc qdisc del dev fsv41 root 2>/dev/null || true"
PLAIN, SLOW = Cell("plain"), Cell("slow")
LISTENER = Listener(lambda _: None, lambda _: None, lambda _visit, _why: None, lambda: False)


def test_a_rate_on_one_port_is_found_with_what_it_must_cost(
    lasting_boxes, tmp_path_factory, monkeypatch, record_property
):
    folder = tmp_path_factory.mktemp("study")
    net = two_servers(lasting_boxes, folder, apart=True)
    net.build()
    net.plug()
    monkeypatch.setattr(launch, "SECONDS", 0.05)
    server = net.boxes["server2"]
    testbed = NamespaceTestbed(net, lambda cell: sh(server, PLANT if cell == SLOW else TAKE_AWAY))
    study = Study("planted", (PLAIN, SLOW), {"kernels": KERNELS}, "kernels.compute", 6, 1)
    with Results(folder / "results") as results:
        assert execute(study, testbed, results, LISTENER)
        found = summarise(study, results.records)
    assert found.complete
    assert [one.error for one in results.records] == [""] * 14
    assert all(min(p.received, p.sent) > 20e6 for r in results.records for p in r.ports.values())
    (row,) = [row for row in found.rows if (row.metric, row.cell) == ("kernels.pingpong-1MB", SLOW)]
    record_property("figure", f"1 MB: x{row.effect.ratio:.1f} {row.effect.interval}, "
                    f"difference in us {row.effect.difference}; host {found.host}")  # fmt: skip
    assert row.effect.verdict == "slower"
    # Half of a round trip has half of one way at that rate: 8 Mbit, to 5 % more with headers; the
    # bucket's 32 kB go at once.
    asked = 8e6 / RATE / 2 * 1e6
    assert row.effect.difference.low <= 1.05 * asked
    assert row.effect.difference.high >= 0.95 * asked

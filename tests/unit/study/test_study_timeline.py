"""What ports carry over the time of a run: read by a program, drawn a row a port."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest

from farswitch.connections.shell.local import LocalShell
from farswitch.study import port_samples
from farswitch.study.port_samples import port_sampler, samples_of
from farswitch.study.results import PortSamples, RunRecord
from farswitch.study.timeline_plot import MOST_ROWS, timeline_plot
from tests.unit.study.studies import BRIDGE, record

BYTES, DATAGRAMS = 10_000, 20


def carry() -> None:
    """Send datagrams over the loopback."""
    with socket.socket(type=socket.SOCK_DGRAM) as near:
        near.bind(("127.0.0.1", 0))
        for _ in range(DATAGRAMS):
            near.sendto(bytes(BYTES), near.getsockname())


def test_readings_are_counted_from_the_start_and_hold_what_was_carried(monkeypatch):
    monkeypatch.setattr(port_samples, "SPACING", 0.01)
    monkeypatch.setattr(port_samples, "MOST", 8)
    with port_sampler(LocalShell("here"), {"node1": "lo", "node2": "none"}, 60.0) as sampler:
        zero = time.monotonic() + 0.05
        until = zero + 0.3
        carry()
        while time.monotonic() < until:  # several times as many readings as are kept
            pass
        samples = sampler.end(zero)
    assert list(samples.received) == ["node1"], "an interface that is not there has no figures"
    assert 4 <= len(samples.at) <= 9
    assert samples.at == sorted(samples.at)
    assert -0.5 < samples.at[0] < 0
    assert 0.3 - 0.05 <= samples.at[-1] < 5, "both clocks were compared to some milliseconds"
    assert sum(samples.received["node1"]) >= DATAGRAMS * BYTES
    assert sum(samples.sent["node1"]) >= DATAGRAMS * BYTES


def test_what_counters_grew_by_is_kept():
    counted = {"fsv1": [(10, 0), (30, 5), (30, 9)]}
    assert samples_of([100.0, 101.0, 103.0], counted, {"node1": "fsv1"}, 101.5) == PortSamples(
        at=[-1.5, -0.5, 1.5], received={"node1": [20, 0]}, sent={"node1": [5, 4]}
    )


def ran(samples: PortSamples | None, *moments: float) -> RunRecord:
    events: list[dict[str, Any]] = [
        {"began": at, "step": f"node1 to_guest: loss {number}%"}
        for number, at in enumerate(moments, start=1)
    ]
    return record(1, BRIDGE, {}).model_copy(update={"samples": samples, "events": events})


def test_rates_are_of_each_span_and_shares_of_the_largest():
    samples = PortSamples(
        at=[-1.0, 0.0, 2.0, 3.0],
        received={"node1": [4_000_000, 4_000_000, 0], "node2": [0, 0, 0]},
        sent={"node1": [0, 0, 0], "node2": [1_000_000, 0, 0]},
    )
    plot = timeline_plot(ran(samples, 0.0, 2.0), "bridge")
    assert plot is not None
    one, two = plot.rows
    assert one.into == (
        (0.0, 1.0), (0.25, 1.0), (0.25, 0.5), (0.75, 0.5), (0.75, 0.0), (1.0, 0.0),
    )  # fmt: skip
    assert (one.mean, one.peak) == ((2e6, 0.0), (4e6, 0.0))
    assert two.peak == (0.0, 1e6)
    assert plot.largest == 4e6
    assert [(mark.number, mark.share) for mark in plot.marks] == [(1, 0.25), (2, 0.75)]
    assert [second for second, _ in plot.ticks] == [-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0]


@pytest.mark.parametrize("at", [[], [0.0]])
def test_a_run_without_spans_has_no_picture(at: list[float]):
    assert timeline_plot(ran(None), "bridge") is None
    empty = PortSamples(at=at, received={"node1": []}, sent={"node1": []})
    assert timeline_plot(ran(empty), "bridge") is None


def test_a_silent_run_is_drawn_on_the_ground():
    silent = PortSamples(at=[0.0, 1.0], received={"node1": [0]}, sent={"node1": [0]})
    plot = timeline_plot(ran(silent, 0.5), "bridge")
    assert plot is not None
    assert {rate for _, rate in plot.rows[0].into} == {0.0}


def test_of_many_ports_those_that_carried_most_are_drawn_in_their_order():
    guests = [f"node{number}" for number in range(1, MOST_ROWS + 5)]
    samples = PortSamples(
        at=[0.0, 1.0],
        received={guest: [number] for number, guest in enumerate(guests)},
        sent={guest: [0] for guest in guests},
    )
    plot = timeline_plot(ran(samples), "bridge")
    assert plot is not None
    assert [row.guest for row in plot.rows] == guests[4:]
    assert plot.left_out == 4

"""What a bench found, made up."""

from __future__ import annotations

from farswitch.run.documents import BenchEntry
from farswitch.run.print_switch_bench import entry_of
from farswitch.switch_bench.figures import (
    Latency,
    LearningFigures,
    LightFigures,
    LoadFigures,
    RecoveryFigures,
    SwitchFigures,
)
from farswitch.switch_bench.rate_search import Limit

SIZES = (64, 1468)


def load(size: int, rate: float, limit: Limit = "switch") -> LoadFigures:
    below = None if limit == "generator" else 1.04 * rate
    return LoadFigures(size, rate, below, limit, 1.2 * rate, 1.1 * rate, 6)


def light(size: int, median: float, loss: float = 0.0) -> LightFigures:
    latency = Latency(1000.0, median, 2 * median, 3 * median, 9 * median)
    return LightFigures(size, 2000, loss, 0, 0, latency)


def bare() -> SwitchFigures:
    return SwitchFigures(
        loads=[load(size, 100_000, "generator") for size in SIZES],
        lights=[light(size, 20) for size in SIZES],
        ceiling=dict.fromkeys(SIZES, 120_000.0),
    )


def measured(*, rate: float = 30_000, median: float = 40, loss: float = 0.0) -> SwitchFigures:
    return SwitchFigures(
        loads=[load(size, rate) for size in SIZES],
        lights=[light(size, median, loss) for size in SIZES],
        half={size: Latency(rate / 2, median, median, median, median) for size in SIZES},
        learning=LearningFigures(5000, {64: 64, 256: 250}, 64, rate),
        flooding=load(64, rate / 3),
        flooding_light=light(64, median, loss),
        broadcast=load(64, rate / 3),
        broadcast_light=light(64, median, loss),
        mesh=load(64, rate),
        recovery=RecoveryFigures(1000, 312, 300.4, 312, 313.1),
    )


def bench() -> BenchEntry:
    found = {
        "bare underlay": ({"kind": "underlay"}, bare()),
        "bridge": ({"kind": "bridge"}, measured(rate=90_000)),
        "lossy": ({"kind": "program"}, measured(loss=0.01)),
        "mine": ({"kind": "program"}, "The program ended."),
    }
    return entry_of(found, seconds=2.0, mtu=1450, ports=4)

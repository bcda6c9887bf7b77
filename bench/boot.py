"""How fast our image boots, against the same packages as an ordinary cloud image.

`python -m bench.boot` starts both with plain QEMU, in turns, on the same virtual hardware, and
takes the time to an ssh login that finds hostname, both addresses and the MTU as the seed has them.
"""

from __future__ import annotations

from pathlib import Path

from bench.benchmark import Benchmark, Measures, Report
from bench.measure import Measure, in_turns, timed
from bench.testbed import Testbed, open_testbed
from farswitch.deadline import Deadline
from farswitch.image.build import BuiltImage, build
from farswitch.image.recipe import recipe

LIMIT = 600.0
"""Seconds that a guest may take."""
GOAL = 0.25
"""What our image may take of the other's time."""


def boot(bed: Testbed, image: BuiltImage, count: int) -> float:
    """Start `count` guests side by side and return the seconds to the last one's login.

    Raises:
        DeadlineError: A guest was not ready within `LIMIT`.
    """
    seeds = [bed.seed(index + 1) for index in range(count)]

    def start() -> None:
        bed.wait_all([bed.start(image, seed) for seed in seeds], Deadline(LIMIT))

    try:
        return timed(start)
    finally:
        bed.stop()


def measure(_folder: Path, rounds: int, guests: int, report: Report) -> Measures:
    """Boot our image and an ordinary cloud image in turns."""
    ours, stock = build(recipe(), progress=report), build(recipe(), stock=True, progress=report)
    with open_testbed() as bed:
        took = in_turns(
            rounds,
            {"ours": lambda: boot(bed, ours, guests), "stock": lambda: boot(bed, stock, guests)},
            report,
        )
    name = f"boot to the ssh login, {guests} guest{'s' if guests > 1 else ''}"
    return (Measure(name, took["ours"], "s", "the same packages, cloud-init", took["stock"], GOAL),)


BENCHMARK = Benchmark(measure, guests=(1,), fewest=1)

if __name__ == "__main__":
    BENCHMARK.main()

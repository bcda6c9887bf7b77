"""How fast our image boots, against the same packages as an ordinary cloud image.

`python -m bench.boot` starts both with plain QEMU, in turns, on the same virtual hardware, and
takes the time to an ssh login that finds hostname, both addresses and the MTU as the seed has them.
"""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import dataclass

import click

from bench.processor import seconds_of
from bench.testbed import Testbed, open_testbed
from farswitch.deadline import Deadline
from farswitch.image.build import BuiltImage, build
from farswitch.image.recipe import recipe

LIMIT = 600.0
"""Seconds that a guest may take."""
GOAL = 0.25
"""What our image may take of the other's time."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Seconds to the last guest's login, and processor seconds that QEMU took for one guest."""

    wall: float
    processor: float


def measure(bed: Testbed, image: BuiltImage, count: int) -> Sample:
    """Start `count` guests side by side and wait for each of them.

    Raises:
        DeadlineError: A guest was not ready within `LIMIT`.
    """
    deadline, start = Deadline(LIMIT), time.monotonic()
    guests = [bed.start(image, bed.seed(index + 1)) for index in range(count)]
    try:
        bed.wait_all(guests, deadline)
        wall = time.monotonic() - start
        return Sample(wall, statistics.mean(seconds_of(guest.process.pid) for guest in guests))
    finally:
        for guest in guests:
            guest.stop()


def _line(name: str, samples: list[Sample]) -> float:
    wall = statistics.median(sample.wall for sample in samples)
    processor = statistics.median(sample.processor for sample in samples)
    every = " ".join(f"{sample.wall:.1f}" for sample in samples)
    print(f"{name:24} {wall:7.1f} s {processor:7.1f} s   ({every})", flush=True)
    return wall


@click.command()
@click.option("--repeat", default=3, show_default=True, help="Boots of each kind.")
@click.option("--guests", default=3, show_default=True, help="Guests side by side.")
def main(repeat: int, guests: int) -> None:
    """Boot both kinds of image in turns, print medians and their ratio."""
    ours = build(recipe(), progress=print)
    stock = build(recipe(), stock=True, progress=print)
    alone: dict[str, list[Sample]] = {"ours": [], "stock cloud image": []}
    together: list[Sample] = []
    with open_testbed() as bed:
        for _ in range(repeat):
            alone["ours"].append(measure(bed, ours, 1))
            alone["stock cloud image"].append(measure(bed, stock, 1))
            together.append(measure(bed, ours, guests))
    print(f"{'until the ssh login':24} {'median':>9} {'processor':>9}")
    fast, slow = (_line(f"{name}, 1 guest", samples) for name, samples in alone.items())
    _line(f"ours, {guests} guests, the last", together)
    print(f"ratio {fast / slow:.3f}, goal {GOAL}")
    sys.exit(0 if fast <= GOAL * slow else 1)


if __name__ == "__main__":
    main()

"""What every benchmark is: a function that measures, how often, and its command."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import click

from bench.measure import Measure
from bench.site import in_folder

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One benchmark.

    Attributes:
        measure: Gets an empty folder, the number of rounds and of guests, and a function that
            reports how far it is; returns its measures.
        rounds: Of `make bench`.
        full: Rounds of `make bench-full`.
        guests: The sizes that are measured one after the other.
        fewest: The smallest size that means anything.
    """

    measure: Callable[[Path, int, int, Report], Sequence[Measure]]
    rounds: int = 1
    full: int = 3
    guests: tuple[int, ...] = (3,)
    fewest: int = 2

    def run(self, rounds: int, guests: Sequence[int], folder: Path, report: Report) -> Measures:
        """Measure every size."""
        measures: list[Measure] = []
        for count in guests:
            place = folder / str(count)
            place.mkdir(parents=True)
            measures += self.measure(place, rounds, count, report)
        return tuple(measures)

    def main(self) -> None:
        """Be the command line: measure, print the measures, exit 1 where a goal is missed."""

        @click.command(help=(self.measure.__doc__ or "").partition("\n")[0])
        @click.option("--repeat", type=click.IntRange(1), default=self.full, show_default=True)
        @click.option(
            "--guests", type=click.IntRange(self.fewest, 1000), multiple=True,
            default=self.guests, show_default=True, help="Sizes, one after the other.",
        )  # fmt: skip
        def command(repeat: int, guests: tuple[int, ...]) -> None:
            measures = in_folder(lambda folder, report: self.run(repeat, guests, folder, report))
            print("\n" + "\n".join(lines(measures)))
            sys.exit(any(one.reached is False for one in measures))

        command()


Measures = tuple[Measure, ...]


def lines(measures: Sequence[Measure]) -> Iterator[str]:
    """Yield measures as a terminal shows them."""
    for one in measures:
        text = f"{one.name}: {median(one.ours):.4g} {one.unit}"
        if one.peer:
            low, high = one.interval
            text += f"; {one.against}: {median(one.peer):.4g} {one.unit}"
            text += f"; ratio {one.value:.3f} ({low:.3f} to {high:.3f})"
        if one.goal is not None:
            text += f"; goal {one.goal:g}, {'reached' if one.reached else 'MISSED'}"
        yield text
        if one.found:
            yield f"    {one.found}"

"""How the time of a proof grows with the number of nodes, and how that reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.pairs import Build

REST = "rest"
"""What is no family's: Python's start and end, logins, the record."""
TOTAL = "verify"


@dataclass(frozen=True, slots=True)
class Proof:
    """What `verify` took of a cluster: seconds of each family, and of the whole process."""

    guests: int
    seconds: Mapping[str, float]

    @classmethod
    def of(cls, guests: int, runs: Sequence[Build]) -> Proof:
        """Return the medians of some runs."""
        took: dict[str, list[float]] = {}
        for run in runs:
            families = {one["name"]: float(one["seconds"]) for one in run.document["stages"]}
            families[REST] = run.seconds - sum(families.values())
            for name, seconds in (families | {TOTAL: run.seconds}).items():
                took.setdefault(name, []).append(seconds)
        return cls(guests, {name: median(seconds) for name, seconds in took.items()})


def growth(first: Proof, last: Proof, name: str = TOTAL) -> float:
    """Return how many times as long it takes, over how many times as many nodes there are."""
    return _times(first, last, name) * first.guests / last.guests


def render(proofs: Sequence[Proof]) -> Iterator[str]:
    """Yield a table: a row a family, a column a size; the ratios are of the last to the first.

    At 1.00 of N's ratio and below, time grows no faster than the number of nodes.
    """
    first, last = proofs[0], proofs[-1]
    sizes = "".join(f"{f'N = {proof.guests}':>11}" for proof in proofs)
    yield f"{'':10}{sizes}{'ratio':>8}{f'of {last.guests / first.guests:.2f}':>9}"
    for name in last.seconds:
        seconds = "".join(f"{proof.seconds.get(name, 0.0):9.1f} s" for proof in proofs)
        yield f"{name:10}{seconds}{_times(first, last, name):8.2f}{growth(first, last, name):9.2f}"


def _times(first: Proof, last: Proof, name: str) -> float:
    before, after = first.seconds.get(name, 0.0), last.seconds[name]
    if before:
        return after / before
    return float("inf") if after else 1.0

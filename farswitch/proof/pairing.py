"""Which pairs of nodes meet in a proof by pairs, in rounds: all, or a ring and some at random."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from math import comb
from random import Random

from farswitch.proof.round_robin import Pair, ring, rounds

ALL_PAIRS_NODES = 5
"""Up to so many nodes all pairs meet. A ring with its random pairs has 3 pairs for two nodes, so it
is a choice from 5 nodes on (7 of 10 pairs), and saves time from 6 on (9 of 15; 24 of 120 of 16)."""
SEEDS = 1 << 32
"""Seeds that are drawn are below; any other number is one too."""


@dataclass(frozen=True, slots=True)
class Meetings:
    """The pairs of `count` nodes, counted from 0, that meet, by rounds.

    `seed` is what random ones among them follow from, None where all pairs meet.
    """

    count: int
    rounds: tuple[tuple[Pair, ...], ...]
    seed: int | None = None

    @property
    def made(self) -> int:
        """How many pairs meet."""
        return sum(map(len, self.rounds))

    @property
    def possible(self) -> int:
        """How many pairs there are."""
        return comb(self.count, 2)

    def __str__(self) -> str:
        return f"{self.made:,} of {self.possible:,} pairs"

    def partners(self, node: int) -> list[int]:
        """Return whom a node meets, in the order of the rounds."""
        met = (pair for pairs in self.rounds for pair in pairs if node in pair)
        return [second if first == node else first for first, second in met]

    def ordered(self) -> Iterator[Pair]:
        """Yield both directions of each pair, by sender."""
        for node in range(self.count):
            yield from ((node, other) for other in sorted(self.partners(node)))


@dataclass(frozen=True, slots=True)
class Pairing:
    """How pairs are chosen: the seed of the random ones, and whether all are wanted anyway."""

    seed: int = field(default_factory=lambda: secrets.randbelow(SEEDS))
    all_pairs: bool = False

    def of(self, count: int) -> Meetings:
        """Return the meetings of so many nodes; the same for the same seed.

        With more nodes than `ALL_PAIRS_NODES` each meets the one before and the one after it, the
        last and the first included, and one more at random; with an odd count one of them does not.
        """
        every = self.all_pairs or count <= ALL_PAIRS_NODES
        return _meetings(count, None if every else self.seed)


@cache
def _meetings(count: int, seed: int | None) -> Meetings:
    if seed is None:
        return Meetings(count, tuple(map(tuple, rounds(count))))
    return Meetings(count, (*map(tuple, ring(count)), strangers(count, seed)), seed)


def strangers(count: int, seed: int) -> tuple[Pair, ...]:
    """Return random pairs of nodes that are no neighbours in the ring, each node in one at most.

    Args:
        count: The nodes, at least 5: four have too few strangers.
        seed: What the choice follows from.
    """
    draw, nodes = Random(seed), list(range(count))  # noqa: S311 - nothing secret, to be repeated
    while True:  # a third of the draws has no neighbours, whatever the count
        draw.shuffle(nodes)
        drawn = zip(nodes[::2], nodes[1::2], strict=False)
        pairs = tuple(sorted((min(pair), max(pair)) for pair in drawn))
        if all(second - first not in {1, count - 1} for first, second in pairs):
            return pairs

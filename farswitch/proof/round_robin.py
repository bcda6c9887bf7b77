"""Who meets whom, and when: in each round every node is in one pair at most."""

from __future__ import annotations

from collections.abc import Iterator

Pair = tuple[int, int]
"""Two players, the smaller number first."""


def rounds(count: int) -> Iterator[list[Pair]]:
    """Yield the rounds in which each two of `count` players (from 0) meet exactly once.

    This is the circle method of round-robin tournaments: the first stays, the others walk around.
    With an odd count one pauses in each round.
    """
    players: list[int | None] = list(range(count))
    if count % 2:
        players.append(None)
    half = len(players) // 2
    for _ in range(len(players) - 1):
        met = zip(players[:half], reversed(players[half:]), strict=True)
        pairs = [(min(a, b), max(a, b)) for a, b in met if a is not None and b is not None]
        if pairs:
            yield pairs
        players = [players[0], players[-1], *players[1:-1]]


def ring(count: int) -> Iterator[list[Pair]]:
    """Yield the rounds in which each of at least 3 players meets the one after it, cyclically.

    An even count needs two rounds, an odd one three.
    """
    yield [(one, one + 1) for one in range(0, count - 1, 2)]
    closing = [(0, count - 1)]
    yield [(one, one + 1) for one in range(1, count - 1, 2)] + (closing if count % 2 == 0 else [])
    if count % 2:
        yield closing

"""Who meets whom, and when: in each round every node is in one pair at most."""

from __future__ import annotations

from collections.abc import Iterator


def rounds(count: int) -> Iterator[list[tuple[int, int]]]:
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

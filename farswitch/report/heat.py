"""The matrices of a verify: latency and bandwidth of each pair, as shades."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SHOWN = 16
"""Nodes that a matrix has at most; of more, the slowest pairs are listed."""
COUNTED_SHOWN = 64
"""Guests that a matrix of traffic has at most on a page."""
LISTED = 20
"""Pairs that are listed then."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """Figures by sender and receiver; `shades` from 0, the least of all, to 1, the most."""

    title: str
    unit: str
    nodes: tuple[str, ...]
    columns: tuple[str, ...]
    figures: Mapping[tuple[str, str], float]
    shades: Mapping[tuple[str, str], float]


def matrices(pairs: Sequence[Mapping[str, Any]]) -> list[Matrix]:
    """Return latency and bandwidth of the pairs of a run's report, where the nodes are few."""
    nodes = _nodes(pairs)
    if not pairs or len(nodes) > SHOWN:
        return []
    return [
        _matrix("Latency", "µs", "latency_us", nodes, pairs),
        _matrix("Bandwidth", "Mbit/s", "bandwidth_mbit", nodes, pairs),
    ]


def traffic(counted: Mapping[str, Any]) -> Matrix:
    """Return the bytes of a run's `matrix` by sender and receiver, shaded from nothing on."""
    pairs = counted["pairs"]
    figures: dict[tuple[str, str], float] = {}
    for pair in pairs:
        sender = (
            pair["from"] if pair["from"] == pair["port"] else f"{pair['from']} from {pair['port']}"
        )
        figures[sender, pair["to"]] = float(pair["bytes"])
    guests = counted["guests"]
    rows = tuple(dict.fromkeys((*guests, *(sender for sender, _ in figures))))
    columns = tuple(dict.fromkeys((*guests, *sorted({to for _, to in figures}))))
    most = max(figures.values(), default=0.0) or 1.0
    shades = {pair: figure / most for pair, figure in figures.items()}
    return Matrix("Traffic", "bytes", rows, columns, figures, shades)


def slowest(pairs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the pairs of least bandwidth, where the nodes are too many for a matrix."""
    if len(_nodes(pairs)) <= SHOWN:
        return []
    return sorted(pairs, key=lambda pair: float(pair["bandwidth_mbit"]))[:LISTED]


def _nodes(pairs: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return all names in the order of their numbers: node2 before node10."""
    names = {name for pair in pairs for name in (pair["from"], pair["to"])}
    return tuple(sorted(names, key=lambda name: (len(name), name)))


def _matrix(
    title: str, unit: str, key: str, nodes: tuple[str, ...], pairs: Sequence[Mapping[str, Any]]
) -> Matrix:
    figures = {(pair["from"], pair["to"]): float(pair[key]) for pair in pairs}
    least, most = min(figures.values()), max(figures.values())
    spread = most - least or 1.0
    shades = {pair: (figure - least) / spread for pair, figure in figures.items()}
    return Matrix(title, unit, nodes, nodes, figures, shades)

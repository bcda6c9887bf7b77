"""A matrix of traffic for people as a table, and for programs as a document or as CSV."""

from __future__ import annotations

import csv as csv_format
import io
from collections.abc import Callable, Iterator, Mapping, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from farswitch.matrix.by_guest import PairCount, TrafficMatrix
from farswitch.matrix.reading import TrafficCount
from farswitch.run.documents import MatrixEntry, MatrixWatchDocument, TrafficPairEntry
from farswitch.run.print_status import speed
from farswitch.run.terminal import shown

LISTED = 20
"""Pairs that are listed where a matrix is too wide for the terminal."""
NO_RANKS = "Which rank ran where is not known here: the command places its ranks itself."


def table(found: TrafficMatrix, width: int, *, rates: bool = False) -> RenderableType:
    """Return a row a sender, with bytes, or bits a second; the largest pairs where that is wide."""

    def cell(count: TrafficCount) -> str:
        return speed(8 * count.bytes / found.seconds) if rates else f"{count.bytes:,}"

    cells = found.cells
    columns = ("", *found.columns, "in all")
    rows = [
        (row, *(cell(cells[row, one]) if (row, one) in cells else "" for one in found.columns),
         cell(_sum(found, row)))
        for row in found.rows
    ]  # fmt: skip
    wide = sum(2 + max(map(len, column)) for column in zip(columns, *rows, strict=True))
    if wide > width:
        return _largest(found, cell, "Rate" if rates else "Bytes")
    figures = (Column(shown(name), justify="right", no_wrap=True) for name in columns[1:])
    whole = Table(Column("From"), *figures, box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for name, *own in rows:
        whole.add_row(shown(name), *own)
    return whole


def _sum(found: TrafficMatrix, row: str) -> TrafficCount:
    return sum((pair.count for pair in found.pairs if pair.row == row), TrafficCount())


def _largest(
    found: TrafficMatrix, cell: Callable[[TrafficCount], str], title: str
) -> RenderableType:
    """Return the pairs between which most went."""
    if not found.pairs:
        return Text("Nothing came by any port.")
    figures = Column(title, justify="right")
    whole = Table("From", "To", figures, box=box.SIMPLE, pad_edge=False)
    for pair in sorted(found.pairs, key=lambda one: -one.count.bytes)[:LISTED]:
        whole.add_row(shown(pair.row), shown(pair.receiver), cell(pair.count))
    if len(found.pairs) <= LISTED:
        return whole
    return Group(f"The largest of {len(found.pairs)} pairs; --csv and --json have all.", whole)


def rank_lines(line: str, ranks: Mapping[str, Sequence[int]]) -> Iterator[str]:
    """Yield which ranks of a command ran on which guest."""
    if line and not ranks:
        yield NO_RANKS
    for guest, own in ranks.items():
        word = "rank" if len(own) == 1 else "ranks"
        yield f"{guest}: {word} {', '.join(map(str, own))}"


def document(found: TrafficMatrix, ranks: Mapping[str, Sequence[int]]) -> MatrixEntry:
    """Return a matrix as the JSON document has it."""
    return {
        "seconds": round(found.seconds, 2),
        "guests": list(found.guests),
        "pairs": [_pair(pair) for pair in found.pairs],
        "ports": [
            {
                "guest": guest,
                "received": port.received.bytes,
                "received_packets": port.received.packets,
                "dropped": port.dropped,
                "counted": found.counted(guest).bytes,
            }
            for guest, port in found.ports.items()
        ],
        "missed": {"bytes": found.missed.bytes, "packets": found.missed.packets},
        "steady": found.steady,
        "ranks": {guest: list(own) for guest, own in ranks.items()},
    }


def watch_line(cluster: str, at: float, found: TrafficMatrix) -> MatrixWatchDocument:
    """Return what went between two looks; `at` is in seconds since 1970."""
    return {
        "cluster": cluster,
        "at": at,
        "seconds": round(found.seconds, 2),
        "pairs": [_pair(pair) for pair in found.pairs],
    }


def csv(found: TrafficMatrix) -> str:
    """Return a line a pair."""
    text = io.StringIO()
    writer = csv_format.DictWriter(text, ["from", "to", "port", "bytes", "packets"])
    writer.writeheader()
    writer.writerows(_pair(pair) for pair in found.pairs)
    return text.getvalue()


def _pair(pair: PairCount) -> TrafficPairEntry:
    return {
        "from": pair.sender,
        "to": pair.receiver,
        "port": pair.guest,
        "bytes": pair.count.bytes,
        "packets": pair.count.packets,
    }

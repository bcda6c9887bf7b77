"""The table of a run: a row a stage, or a row a family of checks."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Column, Table

from farswitch.run.rows import Row
from farswitch.run.terminal import shown

STAGES = ("Stage", "Hosts", "Changed", "Failed", "Time")
FAMILIES = ("Family", "Made", "Failed", "Skipped", "Time")
NAME_WIDTH, FIGURE_WIDTH = 17, 8
"""Characters of a column, so that lines that are printed one by one make one table."""


def titles_of(rows: Iterable[Row]) -> tuple[str, ...]:
    """Return the titles of the table that has the rows: of families as soon as there are checks."""
    return FAMILIES if any(row.checks for row in rows) else STAGES


def table_of(titles: tuple[str, ...], rows: Iterable[Row], *, header: bool = True) -> Table:
    """Return the rows under their titles."""
    figures = (Column(title, justify="right", min_width=FIGURE_WIDTH) for title in titles[1:])
    name = Column(titles[0], min_width=NAME_WIDTH)
    whole = Table(name, *figures, box=None, pad_edge=False, show_header=header)
    for row in rows:
        line = _family if titles == FAMILIES else _stage
        style, words, counts = line(row)
        whole.add_row(shown(words, style=style), *map(str, counts), f"{row.seconds:.1f} s")
    return whole


def _stage(row: Row) -> tuple[str, str, tuple[int, int, int]]:
    style = "red" if row.failed else "yellow" if row.changed else "green"
    return style, row.name, (len(row.hosts), row.changed, len(row.failed))


def _family(row: Row) -> tuple[str, str, tuple[int, int, int]]:
    failed = sum(check.ok is False for check in row.checks)
    skipped = sum(check.ok is None for check in row.checks)
    style = "red" if failed or row.failed else "yellow" if skipped else "green"
    families = dict.fromkeys((row.name, *(check.family for check in row.checks)))
    return style, ", ".join(families), (len(row.checks) - skipped, failed, skipped)

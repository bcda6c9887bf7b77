"""A matrix as a picture of its own: shades, and figures in their largest unit."""

from __future__ import annotations

from dataclasses import dataclass

from rich.filesize import decimal

from farswitch.report.heat import Matrix
from farswitch.templates import render_template

CELL, HIGH, LETTER = 88, 30, 7.4
"""In pixels: a cell's width and height, and a letter's width."""
DARK = 0.78
"""The shade from which on figures are white, not black: so their contrast is above 4.5 (WCAG 2)."""


@dataclass(frozen=True, slots=True)
class HeatCell:
    """A cell where it is drawn; `text` is short, and `title` has all of it."""

    x: float
    y: float
    shade: float
    text: str
    title: str

    @property
    def dark(self) -> bool:
        return self.shade >= DARK


def render_svg(matrix: Matrix, cluster: str) -> str:
    """Return the picture; a pair between which nothing went has no cell."""
    names = (*matrix.nodes, *matrix.columns)
    left = 16 + LETTER * max(map(len, matrix.nodes), default=0)
    wide = max(CELL, 12 + LETTER * max(map(len, names), default=0))
    cells = [
        HeatCell(
            left + wide * matrix.columns.index(receiver),
            2.0 * HIGH + HIGH * matrix.nodes.index(sender),
            matrix.shades[sender, receiver],
            decimal(int(figure)),
            f"{sender} to {receiver}: {figure:,.0f} {matrix.unit}",
        )
        for (sender, receiver), figure in matrix.figures.items()
    ]
    return render_template(
        "report/heat.svg.j2",
        matrix=matrix,
        cluster=cluster,
        cells=cells,
        left=left,
        wide=wide,
        high=HIGH,
        width=left + wide * len(matrix.columns) + 8,
        height=HIGH * (len(matrix.nodes) + 2.0) + 8,
    )

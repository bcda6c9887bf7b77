"""A study as one self-contained HTML page: no script, and nothing from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from statistics import median
from typing import Any

from farswitch.study.methods import methods, rules
from farswitch.study.results import RunRecord
from farswitch.study.strip import strip_plot
from farswitch.study.summary import Summary
from farswitch.study.tables import between, figure
from farswitch.study.timeline_plot import TimelinePlot, timeline_plot
from farswitch.templates import render_template


@dataclass(frozen=True, slots=True)
class CellTraffic:
    """What ports and guests counted in a cell: the median of its runs, of all guests together."""

    label: str
    program: str
    megabytes: float
    lost: int
    dropped: int
    retransmitted: int


def render(summary: Summary, records: Sequence[RunRecord], cluster: str) -> str:
    """Return the page."""
    counted = [one for one in records if one.counts]
    plots = [
        strip_plot([row for row in summary.rows if row.metric == metric])
        for metric in summary.metrics
        if " " not in metric
    ]
    return render_template(
        "study/page.html.j2",
        summary=summary,
        study=summary.study,
        cluster=cluster,
        release=version("farswitch"),
        plots=plots,
        figure=figure,
        between=between,
        traffic=traffic(summary, counted),
        exchanges=exchanges(summary, records),
        timelines=timelines(summary, counted),
        events=next((one.events for one in reversed(counted) if one.events), []),
        proofs=[one.proof for one in records if one.entering],
        methods=methods(summary, records),
        rules=rules(summary),
        environment=json.dumps(records[-1].environment if records else {}, indent=1),
    )


def timelines(summary: Summary, records: Sequence[RunRecord]) -> list[TimelinePlot]:
    """Return the picture of the last run of each program in each cell whose ports were read."""
    found = []
    for program in summary.study.programs:
        for cell in summary.study.cells:
            runs = [one for one in records if (one.program, one.cell) == (program, cell.key)]
            last = next((one for one in reversed(runs) if one.samples), None)
            plot = timeline_plot(last, summary.study.label(cell)) if last else None
            found += [plot] if plot else []
    return found


def traffic(summary: Summary, records: Sequence[RunRecord]) -> list[CellTraffic]:
    """Return what was counted in each cell, program by program."""
    found = []
    for program in summary.study.programs:
        for cell in summary.study.cells:
            runs = [one for one in records if (one.program, one.cell) == (program, cell.key)]
            if runs := [one for one in runs if one.ports]:
                found.append(
                    CellTraffic(
                        label=summary.study.label(cell),
                        program=program,
                        megabytes=_middle(sum(p.received for p in r.ports.values()) for r in runs)
                        / 1e6,
                        lost=round(_middle(_lost(one) for one in runs)),
                        dropped=round(
                            _middle(sum(p.dropped for p in r.ports.values()) for r in runs)
                        ),
                        retransmitted=round(_middle(sum(r.retransmitted.values()) for r in runs)),
                    )
                )
    return found


def _middle(numbers: Any) -> float:
    return float(median(list(numbers)))


def _lost(record: RunRecord) -> int:
    """Return the bytes that came into the switch and did not leave it."""
    ports = record.ports.values()
    return max(0, sum(one.received for one in ports) - sum(one.sent for one in ports))


def exchanges(summary: Summary, records: Sequence[RunRecord]) -> list[dict[str, Any]]:
    """Return how each switch came into its place, where one was exchanged."""
    labels = {cell.key: summary.study.label(cell) for cell in summary.study.cells}
    return [
        {"block": one.block, "label": labels.get(one.cell, one.cell), **one.exchange}
        for one in records
        if one.entering and one.exchange
    ]

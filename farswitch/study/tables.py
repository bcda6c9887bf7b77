"""What a study says, as lines for people, rows of CSV, and entries of a JSON document."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from farswitch.study.interference import Beside
from farswitch.study.results import RunRecord
from farswitch.study.statistics import LEVEL, Interval
from farswitch.study.summary import StudyRow, Summary


def minutes(seconds: float) -> str:
    """Return a duration as people say it."""
    if seconds < 90:  # noqa: PLR2004
        return f"{seconds:.0f} s"
    whole = round(seconds / 60)
    return f"{whole} min" if whole < 90 else f"{whole // 60} h {whole % 60:02d} min"  # noqa: PLR2004


def figure(number: float) -> str:
    """Return a number with as many digits as it has worth."""
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.3g}"  # noqa: PLR2004


def between(interval: Interval | None) -> str:
    """Return an interval as a table has it."""
    return f"[{interval.low:.2f}, {interval.high:.2f}]" if interval else ""


def summary_lines(summary: Summary) -> Iterator[str]:
    """Yield the table and what it is worth."""
    study = summary.study
    yield ""
    for metric in summary.metrics:
        if " " in metric:  # percentiles are in the report
            continue
        for row in (row for row in summary.rows if row.metric == metric):
            yield _line(row, noisy=summary.host == "noisy")
    if summary.beside:
        yield ""
        yield "Beside another job on the other half of the nodes, against itself alone:"
        yield from map(beside_line, summary.beside)
    yield ""
    yield (
        f"{summary.done} of {study.runs} runs in {study.repeats} blocks, order drawn by seed "
        f"{study.seed}; {summary.discarded} more of the first use of a cell are not counted."
    )
    if summary.intervals:
        yield (
            f"Slowdown: ratio of medians against '{study.label(study.base)}' and its {LEVEL} "
            f"interval, bootstrap over blocks. Of {summary.intervals} intervals about "
            f"{summary.intervals / 20:.0f} exclude 1 by chance."
        )
    if summary.noisy:
        yield f"Before {summary.noisy} runs the host was busy."
    if summary.failed:
        yield f"{len(summary.failed)} runs failed: {summary.failed[-1].error}"
    yield f"Host {summary.host}: {summary.why}"


def beside_line(one: Beside) -> str:
    """Return what a neighbour did to a program."""
    name = ", ".join(filter(None, (one.neighbour, one.where)))
    said = f"x{one.effect.ratio:.2f} {between(one.effect.interval)} {one.effect.verdict}"
    return f"{one.metric:<24} beside {name:<17} {said}, {one.slowdown_class}"


def _line(row: StudyRow, *, noisy: bool) -> str:
    value = f"{figure(row.median)} {row.unit}"
    head = f"{row.metric:<24} {row.label:<24} {value:>14}"
    if row.effect is None:
        return f"{head}  base"
    said = f"x{row.effect.ratio:.2f} {between(row.effect.interval)} {row.effect.verdict}"
    return f"{head}  {said}{', host noisy' if noisy else ''}"


def document_of(summary: Summary, cluster: str) -> Any:
    """Return the JSON document of what a study says."""
    study = summary.study
    return {
        "workflow": "study",
        "cluster": cluster,
        "study": study.name,
        "ok": summary.host != "noisy" and not summary.failed,
        "complete": summary.complete,
        "runs": study.runs,
        "done": summary.done,
        "discarded": summary.discarded,
        "failed": len(summary.failed),
        "noisy": summary.noisy,
        "host": summary.host,
        "why": summary.why,
        "rows": [_entry(row) for row in summary.rows],
        "beside": [
            {
                "metric": one.metric,
                "neighbour": one.neighbour,
                "where": one.where,
                "slowdown": one.effect.ratio,
                "interval": _ends(one.effect.interval),
                "verdict": one.effect.verdict,
                "class": one.slowdown_class,
            }
            for one in summary.beside
        ],
    }


def _entry(row: StudyRow) -> dict[str, Any]:
    effect = row.effect
    return {
        "metric": row.metric,
        "unit": row.unit,
        "cell": row.cell.key,
        "label": row.label,
        "blocks": len(row.values),
        "median": row.median,
        "slowdown": effect.ratio if effect else None,
        "interval": _ends(effect.interval) if effect else None,
        "difference": _ends(effect.difference) if effect else None,
        "smallest": effect.smallest if effect else None,
        "verdict": effect.verdict if effect else "base",
    }


def _ends(interval: Interval | None) -> list[float] | None:
    return [interval.low, interval.high] if interval else None


COLUMNS = (
    "block", "cell", "program", "metric", "value", "unit", "better", "discarded", "noisy", "began",
    "seconds",
)  # fmt: skip


def csv_of(records: Sequence[RunRecord]) -> str:
    """Return every value that was measured, discarded ones included, as CSV (RFC 4180)."""
    out = io.StringIO()
    rows = csv.writer(out)
    rows.writerow(COLUMNS)
    for one in records:
        for name, value in one.values.items():
            numbers = {name: value.value} | {f"{name} {k}": v for k, v in value.more.items()}
            rows.writerows(
                (
                    one.block, one.cell, one.program, metric, number, value.unit, value.better,
                    int(not one.counts), int(bool(one.noise)), one.began, one.seconds,
                )
                for metric, number in numbers.items()
            )  # fmt: skip
    return out.getvalue()

"""What a study's runs say so far: a row for each metric and cell, and how quiet the host was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from farswitch.study.document import LEAST_BLOCKS
from farswitch.study.interference import Beside, interference
from farswitch.study.plan import DISCARDED, Cell, Study
from farswitch.study.results import RunRecord, values_of
from farswitch.study.statistics import HOST_MARGIN, LEVEL, Effect, effect, host_is_quiet

Host = Literal["quiet", "noisy", "not judged"]


@dataclass(frozen=True, slots=True)
class StudyRow:
    """A metric in a cell: the middle and the range of its values, and the effect against the base.

    `effect` is None in the base itself, and where no block has both.
    """

    metric: str
    unit: str
    better: str
    cell: Cell
    label: str
    values: tuple[float, ...]
    effect: Effect | None

    @property
    def median(self) -> float:
        return median(self.values)


@dataclass(frozen=True, slots=True)
class Summary:
    """All that a study's runs say.

    Attributes:
        rows: Metric by metric, the base first.
        host: What the control program says of the host, and `why` in a sentence.
        done: Runs that count, of `study.runs`.
        discarded: Runs of the first use of a cell.
        failed: Runs that gave nothing and were not made up for.
        noisy: Runs before which the gate found something too busy.
        beside: What neighbours did to each program, where there are any.
    """

    study: Study
    rows: tuple[StudyRow, ...]
    host: Host
    why: str
    done: int
    discarded: int
    failed: tuple[RunRecord, ...]
    noisy: int
    beside: tuple[Beside, ...] = ()

    @property
    def complete(self) -> bool:
        return self.done == self.study.runs

    @property
    def intervals(self) -> int:
        """How many intervals there are: of twenty, one is wrong by chance."""
        effects = [*(row.effect for row in self.rows), *(one.effect for one in self.beside)]
        return sum(bool(one and one.interval) for one in effects)

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row.metric for row in self.rows))


def summarise(study: Study, records: Sequence[RunRecord]) -> Summary:
    """Return what the runs of a study say."""
    rows = tuple(_rows(study, records))
    host, why = _host(study, rows)
    good = {record.key for record in records if not record.error}
    return Summary(
        study=study,
        rows=rows,
        host=host,
        why=why,
        done=sum(key.block != DISCARDED for key in good),
        discarded=sum(key.block == DISCARDED for key in good),
        failed=tuple(one for one in records if one.error and one.key not in good),
        noisy=sum(bool(one.noise) for one in records if one.counts),
        beside=interference(study, records),
    )


def _rows(study: Study, records: Sequence[RunRecord]) -> Iterator[StudyRow]:
    units = {
        name: (value.unit, value.better)
        for record in records
        for name, value in record.values.items()
    }
    found = values_of(records)
    order = sorted(found, key=lambda one: (list(units).index(one.partition(" ")[0]), one))
    for metric in order:
        unit, better = units[metric.partition(" ")[0]]
        base = found[metric].get(study.base.key, {})
        for cell in study.cells:
            here = found[metric].get(cell.key)
            if not here:
                continue
            compared = (
                None if cell == study.base else effect(base, here, better=better, seed=study.seed)
            )
            values = tuple(here[block] for block in sorted(here))
            yield StudyRow(metric, unit, better, cell, study.label(cell), values, compared)


def _host(study: Study, rows: Sequence[StudyRow]) -> tuple[Host, str]:
    """Return what the control program, which never touches the network, says of the host."""
    control = [row for row in rows if row.metric == study.control and row.effect]
    intervals = [(row.label, row.effect.interval) for row in control if row.effect]
    known = [(label, interval) for label, interval in intervals if interval]
    if not known:
        return "not judged", f"The control needs {LEAST_BLOCKS} blocks to judge the host."
    for label, interval in known:
        if not host_is_quiet(interval):
            return "noisy", (
                f"The control '{study.control}' never touches the network, and its {LEVEL} "
                f"interval in '{label}' is {interval.low:.2f} to {interval.high:.2f}: wanted "
                f"around 1, and within {1 - HOST_MARGIN:.2f} to {1 + HOST_MARGIN:.2f}."
            )
    return "quiet", f"The control '{study.control}' is around 1, within {HOST_MARGIN:.0%}."

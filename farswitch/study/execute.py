"""The loop of a study: enter a cell, prove its path, run its programs, keep each run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from statistics import mean, median
from typing import Any, Protocol

from farswitch.errors import FarswitchError
from farswitch.study.document import StudyProgram
from farswitch.study.plan import Cell, CellVisit, Study, visits
from farswitch.study.results import (
    HostLoad,
    PathProof,
    PortSamples,
    PortTraffic,
    Results,
    RunRecord,
    Value,
    values_of,
)


@dataclass(frozen=True, slots=True)
class Entered:
    """A cell as it stands: what its factors meant, the path's proof, what the switch says."""

    factors: Mapping[str, Any]
    proof: PathProof
    switch: Mapping[str, str]
    exchange: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run of a program gave; an `error` is a sentence of why it gave nothing."""

    command: str
    began: float
    seconds: float
    status: int | None
    values: Mapping[str, Value]
    error: str = ""
    output: str = ""
    load: Mapping[str, HostLoad] | None = None
    noise: tuple[str, ...] = ()
    ports: Mapping[str, PortTraffic] | None = None
    retransmitted: Mapping[str, int] | None = None
    neighbour_runs: int = 0
    events: tuple[Mapping[str, Any], ...] = ()
    samples: PortSamples | None = None


class StudyTestbed(Protocol):
    """Where a study runs."""

    @property
    def environment(self) -> Mapping[str, Any]:
        """Versions and interfaces of all machines."""
        ...

    def begin_block(self) -> None:
        """Have all guests as a block begins; raises FarswitchError where that cannot be."""
        ...

    def enter(self, cell: Cell) -> Entered:
        """Make the cell and prove its path; raises FarswitchError where it cannot be made."""
        ...

    def measure(self, cell: Cell, name: str, program: StudyProgram) -> Measured:
        """Run a program in the cell that was entered."""
        ...


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a study is; `left` is in seconds, None before anything is known of it."""

    study: Study
    visit: CellVisit
    program: str
    number: int
    of: int
    left: float | None
    medians: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Listener:
    """Who is told what goes on, and says whether to end after this run."""

    begins: Callable[[Progress], None]
    ended: Callable[[RunRecord], None]
    left_out: Callable[[CellVisit, str], None]
    stop: Callable[[], bool]


def execute(study: Study, testbed: StudyTestbed, results: Results, listener: Listener) -> bool:
    """Run what is left of a study, and return whether it came to its end.

    A cell that cannot be made, or whose path is not proved, is left out of its block: a result
    whose bytes did not cross the switch that it names is none. The next run tries it again.
    """
    todo = visits(study, results.done)
    total = study.runs + study.discarded
    number = total - sum(len(visit.programs) for visit in todo)
    block: int | None = None
    for at, visit in enumerate(todo):
        if listener.stop():
            return False
        began = time.monotonic()
        left = remaining(todo[at:], results.records)
        entered, why = _entered(testbed, visit, begins=visit.block != block)
        if entered is None:
            number += len(visit.programs)
            listener.left_out(visit, why)
            continue
        block = visit.block
        entering = round(time.monotonic() - began, 3)
        for name in visit.programs:
            if listener.stop():
                return False
            number += 1
            medians = _medians(study, visit.cell, results.records)
            listener.begins(Progress(study, visit, name, number, total, left, medians))
            started = time.monotonic()
            measured = testbed.measure(visit.cell, name, study.programs[name])
            beside = max(0.0, time.monotonic() - started - measured.seconds)
            more = {
                "entering": entering,
                "beside": round(beside, 3),
                "environment": dict(testbed.environment),
            }
            record = _record(visit, name, measured, entered).model_copy(update=more)
            results.add(record)
            listener.ended(record)
            entering = 0.0
    return True


def _entered(
    testbed: StudyTestbed, visit: CellVisit, *, begins: bool
) -> tuple[Entered | None, str]:
    try:
        if begins:
            testbed.begin_block()
        entered = testbed.enter(visit.cell)
    except FarswitchError as error:
        return None, str(error)
    if not entered.proof.ok:
        failed = "; ".join(entered.proof.failed)
        return None, f"It is not proved that its bytes cross the switch: {failed}."
    return entered, ""


def _record(visit: CellVisit, name: str, measured: Measured, entered: Entered) -> RunRecord:
    return RunRecord(
        block=visit.block,
        cell=visit.cell.key,
        program=name,
        command=measured.command,
        factors=dict(entered.factors),
        began=round(measured.began, 3),
        seconds=round(measured.seconds, 3),
        status=measured.status,
        values=dict(measured.values),
        error=measured.error,
        output=measured.output,
        load=dict(measured.load or {}),
        noise=list(measured.noise),
        proof=entered.proof,
        ports=dict(measured.ports or {}),
        retransmitted=dict(measured.retransmitted or {}),
        neighbour_runs=measured.neighbour_runs,
        events=[dict(one) for one in measured.events],
        samples=measured.samples,
        switch=dict(entered.switch),
        exchange=dict(entered.exchange),
    )


def remaining(todo: list[CellVisit], records: list[RunRecord]) -> float | None:
    """Return how many seconds what is left takes, by the runs that did not fail.

    What has not run yet is taken for the mean of what has; None where nothing has run.
    """
    runs: dict[tuple[str, str], list[float]] = {}
    entering: dict[str, list[float]] = {}
    for record in records:
        if record.error:
            continue
        runs.setdefault((record.cell, record.program), []).append(record.seconds + record.beside)
        if record.entering:
            entering.setdefault(record.cell, []).append(record.entering)
    if not runs or not entering:
        return None
    usual_run, usual_entry = _mean_of_means(runs.values()), _mean_of_means(entering.values())
    seconds = 0.0
    for visit in todo:
        seconds += _mean(entering.get(visit.cell.key), usual_entry)
        for name in visit.programs:
            seconds += _mean(runs.get((visit.cell.key, name)), usual_run)
    return seconds


def unknown(study: Study, records: list[RunRecord]) -> int:
    """Return how many programs have not run yet in a cell of the study, over all cells."""
    known = {(record.cell, record.program) for record in records if not record.error}
    wanted = product((cell.key for cell in study.cells), study.programs)
    return sum(one not in known for one in wanted)


def _mean(found: list[float] | None, usual: float) -> float:
    return mean(found) if found else usual


def _mean_of_means(lists: Iterable[list[float]]) -> float:
    return mean(map(mean, lists))


def _medians(study: Study, cell: Cell, records: list[RunRecord]) -> dict[str, float]:
    """Return the ratio of this cell's medians to the base's so far, by metric."""
    found = {}
    for metric, cells in values_of(records).items():
        base, here = cells.get(study.base.key), cells.get(cell.key)
        if base and here and cell != study.base and " " not in metric:
            found[metric] = median(here.values()) / (median(base.values()) or 1.0)
    return found

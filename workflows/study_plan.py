"""How many runs a study has and how long they take: what `study plan` does."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator

from farswitch.run.cli import Options, main
from farswitch.run.echo import echo
from farswitch.run.print_report import console_for, failures_on
from farswitch.run.report import FAILED, INTERRUPTED, OK
from farswitch.run.session import Session
from farswitch.run.terminal import shown
from farswitch.study.execute import remaining, unknown
from farswitch.study.plan import RunKey, Study, visits
from farswitch.study.results import RunRecord, read_results, study_folder
from farswitch.study.tables import minutes
from workflows.study_run import carry_out, the_study


@main("study-plan")
def plan(options: Options, word: str, *, calibrate: bool) -> int:
    """Print what a study would run; with `calibrate`, make the first use of each cell before."""
    asked = options if calibrate else dataclasses.replace(options, dry_run=True)
    with Session("study-plan", asked, quiet=True) as session:
        study = the_study(session.site, word)
        records = read_results(study_folder(study.name))
        code, left_out = OK, list[str]()
        if calibrate and visits(study.first_uses, _done(records)):
            screen, complete = carry_out(session, study, part=study.first_uses)
            records, left_out = read_results(study_folder(study.name)), screen.left_out
            failures_on(console_for(as_json=options.json), session.report())
            code = (FAILED if unknown(study, records) else OK) if complete else INTERRUPTED
    todo = visits(study, _done(records))
    left, seconds = sum(len(visit.programs) for visit in todo), remaining(todo, records)
    console = console_for(as_json=options.json)
    for cell in study.cells:
        console.print(shown(f"  {study.label(cell)}{'  (base)' if cell == study.base else ''}"))
    console.print(
        shown(
            f"{study.runs} runs: {len(study.cells)} cells x {len(study.programs)} programs x "
            f"{study.repeats} blocks; {study.discarded} more are not counted."
        )
    )
    for line in _time(study, records, word, left=left, seconds=seconds):
        console.print(shown(line))
    if options.json:
        document = {"workflow": "study-plan", "study": study.name, "ok": code == OK}
        document |= {"runs": study.runs, "discarded": study.discarded, "left": left}
        document |= {"unknown": unknown(study, records), "seconds": seconds}
        document |= {"cells": [cell.key for cell in study.cells]}
        echo(json.dumps(document | ({"left_out": left_out} if calibrate else {})))
    return code


def _time(
    study: Study, records: list[RunRecord], word: str, *, left: int, seconds: float | None
) -> Iterator[str]:
    """Yield how long what is left takes, and by what that is known."""
    missing = unknown(study, records)
    if seconds is None:
        yield f"{left} are left; how long they take is not known yet."
    else:
        yield f"{left} are left: about {minutes(seconds)}, by the runs so far."
    if missing:
        yield (
            f"{missing} of {study.discarded} programs in cells have not run yet. To run each once "
            f"and know: farswitch study plan {word} --calibrate"
        )


def _done(records: list[RunRecord]) -> set[RunKey]:
    return {one.key for one in records if not one.error}

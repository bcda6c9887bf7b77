"""Experiments on the switch: `python -m workflows.study plan|run|resume|status|report ...`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import click

from farswitch.run.cli import Options, main, read_only
from farswitch.run.command import Command, Group
from farswitch.run.echo import echo
from farswitch.run.print_report import console_for
from farswitch.run.session import Session
from farswitch.run.terminal import shown
from farswitch.study.execute import remaining
from farswitch.study.plan import visits
from farswitch.study.results import read_results, study_folder
from farswitch.study.tables import minutes
from workflows.study_report import compare, export, report, status
from workflows.study_run import run, the_study


@main("study-plan")
def plan(options: Options, word: str) -> int:
    """Print what a study would run."""
    with Session("study-plan", dataclasses.replace(options, dry_run=True), quiet=True) as session:
        study = the_study(session.site, word)
    records = read_results(study_folder(study.name))
    todo = visits(study, {one.key for one in records if not one.error})
    left, seconds = sum(len(visit.programs) for visit in todo), remaining(todo, records)
    console = console_for(as_json=options.json)
    for cell in study.cells:
        console.print(shown(f"  {study.label(cell)}{'  (base)' if cell == study.base else ''}"))
    time = (
        f"about {minutes(seconds)}"
        if seconds is not None
        else "how long is known after the first runs"
    )
    console.print(
        shown(
            f"{study.runs} runs: {len(study.cells)} cells x {len(study.programs)} programs x "
            f"{study.repeats} blocks; {study.discarded} more are not counted. "
            f"{left} are left: {time}."
        )
    )
    if options.json:
        document = {"workflow": "study-plan", "study": study.name, "ok": True, "runs": study.runs}
        document |= {"discarded": study.discarded, "left": left, "seconds": seconds}
        document |= {"cells": [cell.key for cell in study.cells]}
        echo(json.dumps(document))
    return 0


@click.group(cls=Group)
def command() -> None:
    """Experiments on the switch: cells in random blocks, intervals, what may be claimed."""


@command.command(name="plan", cls=Command)
@click.argument("study")
@read_only
def plan_command(*, study: str, **options: Any) -> None:
    """Say how many runs a study has, and about how long they take."""
    plan(Options(**options), word=study)


@command.command(name="run", cls=Command)
@click.argument("study")
@read_only
def run_command(*, study: str, **options: Any) -> None:
    """Run a study from its beginning: a name in a folder `studies`, or a file's path."""
    run(Options(**options), word=study, resume=False)


@command.command(cls=Command)
@click.argument("study")
@read_only
def resume(*, study: str, **options: Any) -> None:
    """Go on with a study that was cut off: what was measured stays."""
    run(Options(**options), word=study, resume=True)


def kept_here(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command of what is kept here its one option: it asks no server."""
    json_option = click.option(
        "--json", "as_json", is_flag=True, help="One JSON document on standard output."
    )
    return json_option(command)


@command.command(name="status", cls=Command)
@click.argument("study")
@kept_here
def status_command(*, study: str, as_json: bool) -> None:
    """Show what a study says so far."""
    status(Options(json=as_json), name=study)


@command.command(name="report", cls=Command)
@click.argument("study")
@click.option("--output", metavar="FOLDER", default="", help="Where page and values go.")
@kept_here
def report_command(*, study: str, output: str, as_json: bool) -> None:
    """Write a study as one HTML page, and every value as CSV."""
    report(Options(json=as_json), name=study, output=output)


@command.command(name="compare", cls=Command)
@click.argument("studies", nargs=2)
@kept_here
def compare_command(*, studies: tuple[str, str], as_json: bool) -> None:
    """Name what differs between two studies, then their figures with intervals."""
    compare(Options(json=as_json), names=studies)


@command.command(name="export", cls=Command)
@click.argument("study")
@click.option("--output", metavar="FILE", default="", help="The archive; NAME.tar.gz if not said.")
@read_only
def export_command(*, study: str, output: str, **options: Any) -> None:
    """Write an archive from which somebody else reruns a study."""
    export(Options(**options), word=study, output=output)


if __name__ == "__main__":
    command(prog_name="python -m workflows.study")

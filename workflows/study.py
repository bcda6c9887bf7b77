"""Experiments on the switch: `python -m workflows.study plan|run|resume|status|report ...`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from farswitch.run.cli import Options, read_only
from farswitch.run.command import Command, Group
from workflows.study_plan import plan
from workflows.study_report import compare, export, report, status
from workflows.study_run import run


@click.group(cls=Group)
def command() -> None:
    """Experiments on the switch: cells in random blocks, intervals, what may be claimed."""


@command.command(name="plan", cls=Command)
@click.argument("study")
@click.option(
    "--calibrate",
    is_flag=True,
    help="Make the first, discarded run of each program in each cell now, to say how long.",
)
@read_only
def plan_command(*, study: str, calibrate: bool, **options: Any) -> None:
    """Say how many runs a study has, and about how long they take."""
    plan(Options(**options), word=study, calibrate=calibrate)


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

"""A run, or what differs between two, as one HTML page: `python -m workflows.report`."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click
from click.shell_completion import CompletionItem
from rich.table import Column, Table

from farswitch.errors import ConfigError
from farswitch.report.compare import Difference, differences
from farswitch.report.page import render, render_comparison
from farswitch.run.cli import Options, main
from farswitch.run.command import Command
from farswitch.run.echo import echo
from farswitch.run.local_files import write_local
from farswitch.run.print_report import console_for
from farswitch.run.runs import load, run_names
from farswitch.run.terminal import shown

STANDARD_OUTPUT = "-"


@main("report")
def page(options: Options, run: str, output: str) -> int:
    """Write the page of a run."""
    found = load(run)
    text = render(found)
    if output == STANDARD_OUTPUT:
        echo(text)
        return 0
    path = Path(output or f"{found.name}.html")
    write_local(path, text)
    if options.json:
        echo(json.dumps({"workflow": "report", "ok": True, "run": found.name, "page": str(path)}))
    echo(f"The report of run {found.name}: {path.resolve()}", err=options.json)
    return 0


@main("report")
def compare(options: Options, runs: tuple[str, str], output: str) -> int:
    """Print what differs between two runs, or write it as a page."""
    before, after = map(load, runs)
    if before.workflow != after.workflow:
        raise ConfigError(
            f"'{before.name}' is a {before.workflow} and '{after.name}' a {after.workflow}: "
            "only two of one kind can be compared.",
            hint="All runs: farswitch runs",
        )
    found = differences(before, after)
    text = render_comparison(before, after, found) if output else ""
    if output == STANDARD_OUTPUT:
        echo(text)
        return 0
    if output:
        write_local(Path(output), text)
    if options.json:
        document = {"workflow": "report", "ok": True, "runs": [before.name, after.name]}
        document |= {"differences": [dataclasses.asdict(one) for one in found]}
        echo(json.dumps(document | ({"page": output} if output else {})))
        return 0
    console = console_for(as_json=False)
    console.print(shown(f"{before.name} and {after.name}"))
    if output:
        console.print(shown(f"What differs: {Path(output).resolve()}"))
    elif found:
        console.print(_table(found), soft_wrap=False)
    else:
        console.print(shown("Nothing differs by more than runs do."))
    return 0


def _table(found: list[Difference]) -> Table:
    figure = Column("Ratio", justify="right")
    table = Table("", "", "Before", "After", figure, box=None, pad_edge=False)
    for one in found:
        ratio = f"{one.ratio:.2f}" if one.ratio is not None else ""
        table.add_row(*map(shown, (one.kind, one.what, one.before, one.after, ratio)))
    return table


def _runs(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the names of runs."""
    return [CompletionItem(name) for name in run_names() if name.startswith(incomplete)]


@click.command(cls=Command)
@click.argument("runs", nargs=-1, metavar="[RUN]...", shell_complete=_runs)
@click.option("--output", metavar="FILE", default="", help="Where the page goes; - prints it.")
@click.option("--compare", "compared", is_flag=True, help="Name what differs between two runs.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
def command(*, runs: tuple[str, ...], output: str, compared: bool, as_json: bool) -> None:
    """Write a run as one HTML page, the latest if none is named.

    RUN is a run's name as `farswitch runs` lists it, or how that begins, or a workflow: its latest.
    """
    wanted = 2 if compared else 1
    if len(runs) > wanted or (compared and len(runs) < wanted):
        raise click.UsageError(f"{len(runs)} runs are named, wanted {wanted}.")
    options = Options(json=as_json)
    if compared:
        compare(options, runs=runs, output=output)
    else:
        page(options, run="".join(runs), output=output)


if __name__ == "__main__":
    command(prog_name="python -m workflows.report")

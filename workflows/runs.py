"""What was run from this machine: `python -m workflows.runs`."""

from __future__ import annotations

import json

import click
from rich.table import Column, Table

from farswitch.run.cli import Options, main
from farswitch.run.command import Command
from farswitch.run.echo import echo
from farswitch.run.print_report import console_for
from farswitch.run.run_document import Run
from farswitch.run.runs import load_all, runs_folder
from farswitch.run.terminal import shown


@main("runs")
def run(options: Options, cluster: str) -> int:
    """List the runs, the latest first."""
    found = [one for one in load_all() if cluster in ("", one.cluster)]
    if options.json:
        echo(json.dumps({"workflow": "runs", "ok": True, "runs": list(map(row, found))}, indent=1))
        return 0
    console = console_for(as_json=False)
    if not found:
        console.print(shown(f"There is no run in {runs_folder()}."))
        return 0
    names = ("Run", "Workflow", "Cluster", "Ended", "Time", "Changed", "Failed")
    table = Table(*(Column(name, no_wrap=True) for name in names), box=None, pad_edge=False)
    for one in found:
        fields = row(one)
        style = "" if one.report["ok"] else "red"
        words = (
            one.name, one.workflow, one.cluster, one.verdict, f"{fields['seconds']:.1f} s",
            str(fields["changed"]), str(fields["failed"]),
        )  # fmt: skip
        table.add_row(*(shown(word, style=style) for word in words))
    console.print(table, soft_wrap=False)
    return 0


def row(one: Run) -> dict[str, object]:
    """Return a run's line of the JSON document."""
    report = one.report
    names = ("workflow", "cluster", "ok", "dry_run", "changed", "failed", "seconds")
    return {"run": one.name, "started": one.started.isoformat(), **{n: report[n] for n in names}}


@click.command(cls=Command)
@click.option("--cluster", metavar="NAME", default="", help="Those of one cluster alone.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
def command(*, cluster: str, as_json: bool) -> None:
    """List what was run from this machine, the latest first."""
    run(Options(json=as_json), cluster=cluster)


if __name__ == "__main__":
    command(prog_name="python -m workflows.runs")

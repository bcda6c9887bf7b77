"""The cluster as a picture: `python -m workflows.graph`."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from farswitch.errors import ConfigError
from farswitch.graph.picture import Format, picture
from farswitch.graph.text import TEMPLATES, draw
from farswitch.lab import control
from farswitch.run.cli import Options, main, read_only
from farswitch.run.command import Command
from farswitch.run.echo import echo
from farswitch.run.local_files import write_local
from farswitch.run.print_report import console_for, failures_on
from farswitch.run.session import Session
from farswitch.run.terminal import shown
from farswitch.status.observed import ServerLook
from workflows.lab_up import lab_of
from workflows.look import look


@dataclass(frozen=True, slots=True)
class GraphExtent:
    """How it is drawn, where to, and whether the servers are looked at."""

    form: Format = "svg"
    output: Path | None = None
    state: bool = True

    def check(self) -> None:
        """Refuse a file that cannot be written, before anything is looked at.

        Raises:
            ConfigError: Its folder is not there, or not ours to write.
        """
        file = self.output
        if file is None:
            return
        there = os.access(file, os.W_OK) if file.exists() else os.access(file.parent, os.W_OK)
        if not there or file.is_dir():
            raise ConfigError(f"The file '{file}' of --output cannot be written.")


def looks(session: Session) -> Mapping[str, ServerLook] | None:
    """Return a look at every server; None, with a note, where nothing stands."""
    lab = lab_of(session.site)
    if lab is not None and not control.stands(lab):
        session.note(f"Lab '{lab.name}' is down: this is the site alone.")
        return None
    session.read_record()
    if session.record is None:
        session.note(f"Cluster '{session.cluster.name}' is not built: this is the site alone.")
        return None
    return look(session)


@main("graph")
def run(options: Options, extent: GraphExtent) -> int:
    """Look, draw and print or write."""
    extent.check()
    with Session("graph", dataclasses.replace(options, dry_run=True), quiet=True) as session:
        found = looks(session) if extent.state else None
        text = draw(picture(session.cluster, found), extent.form)
        if extent.output is not None:
            write_local(extent.output, text)
        report = session.report()
        console = console_for(as_json=True)
        for note in report.notes:
            console.print(shown(note))
        failures_on(console, report)
        if options.json:
            drawn = {"format": extent.form, "picture": text}
            echo(json.dumps(report.document() | drawn, indent=1))
        elif extent.output is None:
            echo(text.rstrip("\n"))
        return report.exit_code


@click.command(cls=Command)
@click.option("--format", "form", type=click.Choice(list(TEMPLATES)), default="svg",
              show_default=True, help="SVG, Mermaid, or DOT of Graphviz.")  # fmt: skip
@click.option("--output", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
              help="Where to; default: standard output.")  # fmt: skip
@click.option("--no-state", is_flag=True, help="Of the site alone; no server is looked at.")
@read_only
def command(*, form: Format, output: Path | None, no_state: bool, **options: Any) -> None:
    """Draw the cluster as SVG, Mermaid or DOT, with what stands in colour.

    From 13 guests on they are drawn in ranges. Nothing is changed.
    """
    run(Options(**options), extent=GraphExtent(form, output, state=not no_state))


if __name__ == "__main__":
    command(prog_name="python -m workflows.graph")

"""A site on the command line: `python -m workflows.site new NAME --server1 … --server2 …`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from farswitch.run.cli import Options, main
from farswitch.run.command import Group
from farswitch.run.echo import echo
from farswitch.site.find import FILES, INVENTORY
from farswitch.site.new import write_site


@main("site new")
def write(options: Options, *, name: str, **values: Any) -> int:
    """Write the site and report where it is."""
    folder = write_site(name, **values)
    if options.json:
        echo(json.dumps({"workflow": "site new", "site": str(folder.resolve()), "ok": True}))
    echo(f"Site '{name}' is written: {', '.join(FILES)} in {folder}.", err=options.json)
    look = f"farswitch preflight --site {folder if values['below'] != Path(INVENTORY) else name}"
    echo(f"Read them, then see whether the servers are fit:  {look}", err=options.json)
    return 0


@click.group(cls=Group)
def command() -> None:
    """Sites: which servers there are, and what cluster is wanted on them."""


@command.command()
@click.argument("name")
@click.option("--server1", metavar="ADDRESS", required=True, help="The hypervisor's address.")
@click.option("--server2", metavar="ADDRESS", required=True, help="The switch's address.")
@click.option("--user", default="root", show_default=True, help="Who logs in to both servers.")
@click.option(
    "--below",
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    default=INVENTORY,
    show_default=True,
    help="The folder that gets the site's folder.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
def new(*, as_json: bool, **values: Any) -> None:
    """Write a commented site of two servers, NAME, that a build can start with."""
    write(Options(json=as_json), **values)


if __name__ == "__main__":
    command(prog_name="python -m workflows.site")

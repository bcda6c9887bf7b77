"""List what farswitch has on servers, and who needs it: `python -m workflows.orphans`."""

from __future__ import annotations

from typing import Any

import click

from farswitch.run.cli import Options, changing
from farswitch.run.command import Command
from farswitch.run.teardown_options import TeardownOptions, where
from workflows.teardown import teardown


@click.command(cls=Command)
@click.option("--remove", is_flag=True, help="Remove what nobody needs.")
@click.option("--keep-image", is_flag=True, help="With --remove: leave base images.")
@where
@changing
def command(*, remove: bool, keep_image: bool, **options: Any) -> None:
    """List what farswitch has on the servers, of all clusters, and who needs it."""
    servers = {name: options.pop(name) for name in ("server", "key_file", "known_hosts")}
    wanted = TeardownOptions(orphans=True, remove=remove, keep_image=keep_image, **servers)
    teardown(Options(**options), wanted=wanted)


if __name__ == "__main__":
    command(prog_name="python -m workflows.orphans")

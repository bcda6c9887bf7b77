"""Start the guests of a cluster that was built: `python -m workflows.start`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from farswitch.run.cli import Options, changing, main
from farswitch.run.command import Command
from farswitch.run.locking import fenced, locked
from farswitch.run.session import Session
from farswitch.run.ssh_config import write_login
from farswitch.run.stages import Stage
from workflows.build import data_mtu, guests_stages, network_stages
from workflows.lab_up import ensure_lab


def stages(session: Session) -> Iterator[Stage]:
    """Yield what a build does for guests that there are: network, switch, impairments, boot."""
    yield from network_stages(session)
    yield from guests_stages(session, data_mtu(session))


@main("start")
def start(options: Options) -> int:
    """Start and report."""
    with Session("start", options) as session:
        ensure_lab(session)
        with locked(session):
            session.read_record()
            _ = session.built_record
            session.run(fenced(session, stages(session)))
        write_login(session)
        return session.finish()


@click.command(cls=Command)
@changing
def command(**options: Any) -> None:
    """Start the guests that are off, and wait until all are ready."""
    start(Options(**options))


if __name__ == "__main__":
    command(prog_name="python -m workflows.start")

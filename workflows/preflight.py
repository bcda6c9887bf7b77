"""Can these servers carry the cluster? Looks, changes nothing: `python -m workflows.preflight`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from farswitch.errors import FarswitchError
from farswitch.run.cli import Options, main, read_only
from farswitch.run.command import Command
from farswitch.run.rows import failure_of
from farswitch.run.session import Session
from farswitch.run.stages import Stage, servers
from workflows.build import data_mtu, preflight_stage, underlay_stage
from workflows.lab_up import ensure_lab


def stages(session: Session) -> Iterator[Stage]:
    """Yield what a build does before it touches anything, as far as each server lets it."""
    yield preflight_stage(session)
    if not session.recorder.failures:
        data_mtu(session)
        yield underlay_stage(session)


def ready(session: Session) -> dict[str, str]:
    """Return what was found on each server that can carry its part."""
    refused = {failure.host for failure in session.recorder.failures}
    return {
        host.name: str(facts)
        for host in session.hosts(servers)
        if (facts := session.recorder.results.get(("preflight", host.name)))
        and host.name not in refused
    }


@contextmanager
def _noted(session: Session) -> Iterator[None]:
    """Keep a failure of the cluster's, its record or its MTU, as the head's, and go on."""
    try:
        yield
    except FarswitchError as error:
        failure = failure_of(session.head_host.name, "preflight", error)
        session.recorder.failures.append(failure)


@main("preflight")
def preflight(options: Options) -> int:
    """Look at every server, and report."""
    with Session("preflight", dataclasses.replace(options, dry_run=True)) as session:
        ensure_lab(session)
        with _noted(session):
            session.read_record(follow_site=True)
        with _noted(session):
            session.run(stages(session))
        return session.finish(ready=ready(session))


@click.command(cls=Command)
@read_only
def command(**options: Any) -> None:
    """Look whether every server can carry its part of the cluster; change nothing."""
    preflight(Options(**options))


if __name__ == "__main__":
    command(prog_name="python -m workflows.preflight")

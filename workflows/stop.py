"""Switch the guests of a cluster off, and keep all else of it: `python -m workflows.stop`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
from nornir.core.inventory import Host

from farswitch.run.cli import Options, changing, main
from farswitch.run.command import Command
from farswitch.run.locking import fenced, locked
from farswitch.run.session import Session
from farswitch.run.stages import PerHost, Stage, guests, step
from tasks.vm_stop import vm_stop
from workflows.lab_up import lab_is_gone
from workflows.snapshot_stages import look_stage


def stages(session: Session) -> Iterator[Stage]:
    """Yield the other guests, and then the head: it has the share that they write to.

    One that stands still since a snapshot was cut off can be asked nothing: its server's own end of
    that is waited for.
    """
    cluster = session.cluster
    yield look_stage(session)

    def head(host: Host) -> bool:
        return host.name == cluster.head.name

    guest = PerHost(lambda host: cluster.guest(host.name))
    off = step(vm_stop, guest=guest, hypervisor=PerHost(session.hypervisor_of))
    yield Stage(lambda host: guests(host) and not head(host), (off,), vital=False)
    yield Stage(head, (off,), vital=False)


@main("stop")
def stop(options: Options) -> int:
    """Stop and report."""
    with Session("stop", options) as session:
        if lab_is_gone(session):
            session.note("The lab is down: no guest runs on it.")
            return session.finish()
        with locked(session):
            session.read_record()
            _ = session.built_record
            session.run(fenced(session, stages(session)))
        return session.finish()


@click.command(cls=Command)
@changing
def command(**options: Any) -> None:
    """Switch the guests off, and keep tunnels, bridges, disks and record: start goes on."""
    stop(Options(**options))


if __name__ == "__main__":
    command(prog_name="python -m workflows.stop")

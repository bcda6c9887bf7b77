"""Remove the cluster and restore both servers: `python -m workflows.teardown`.

It works from what is on the servers, not from what the site or this machine remembers.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from farswitch.run.cli import Options, main, shared
from farswitch.run.locking import fenced, locked
from farswitch.run.session import Session
from farswitch.run.ssh_config import forget
from farswitch.run.stages import Stage, hypervisors, servers, step
from tasks.firewall_reset import firewall_reset
from tasks.guard import guard
from tasks.image_remove import image_remove
from tasks.links_remove import links_remove
from tasks.record import record
from tasks.sysctl import sysctl
from tasks.vm_remove import vm_remove
from workflows.lab_up import lab_is_gone
from workflows.orphans import Wanted, teardown_by_marks

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def stages(session: Session, *, keep_image: bool) -> Iterator[Stage]:
    """Yield what a teardown does, in order: guests, network, settings, and last the record.

    Each step is a stage of its own: one that fails does not keep the others from cleaning up.
    """
    cluster = session.cluster
    pool = cluster.settings.pool
    yield Stage(hypervisors, (step(vm_remove, owner=cluster.owner, pool=pool),))
    if not keep_image:
        yield Stage(hypervisors, (step(image_remove, pool=pool, without=cluster.name),))
    yield Stage(servers, (step(links_remove, name="links", owner=cluster.owner),))
    yield Stage(servers, (step(firewall_reset, cluster=cluster, present=False),))
    yield Stage(servers, (step(guard, cluster=cluster, device="", present=False),))
    yield Stage(servers, (step(sysctl, cluster=cluster, present=False),))
    if not session.recorder.failures:
        yield Stage(session.is_head, (step(record, owner=cluster.owner, present=False),))


@main("teardown")
def teardown(options: Options, wanted: Wanted) -> int:
    """Tear down and report."""
    if wanted.by_marks:
        return teardown_by_marks(options, wanted)
    with Session("teardown", options) as session:
        if lab_is_gone(session):
            session.note("The lab is down: nothing of the cluster is left on it.")
        else:
            with locked(session, reach_all=False):
                doing = stages(session, keep_image=wanted.keep_image)
                session.run(fenced(session, doing), on_failed=True)
        if not options.dry_run and not session.recorder.failures:
            forget(session.cluster.name)
        return session.finish()


@click.command()
@click.option("--keep-image", is_flag=True, help="Leave the base image for the next build.")
@click.option("--cluster", metavar="NAME", default="", help="Any cluster, without its site.")
@click.option("--orphans", is_flag=True, help="List what farswitch has there, of all clusters.")
@click.option("--remove", is_flag=True, help="With --orphans: remove what nobody needs.")
@click.option(
    "--server", metavar="[USER@]HOST[:PORT]", multiple=True, help="Where; else the site's."
)
@click.option("--key-file", metavar="FILE", type=_FILE, help="With --server: the private key.")
@click.option("--known-hosts", metavar="FILE", type=_FILE, help="With --server: their host keys.")
@shared
def command(**options: Any) -> None:
    """Remove the cluster and restore both servers."""
    wanted = Wanted(**{name: options.pop(name) for name in Wanted.__dataclass_fields__})
    teardown(Options(**options), wanted=wanted)


if __name__ == "__main__":
    command(prog_name="python -m workflows.teardown")

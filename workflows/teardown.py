"""Remove a cluster and restore both servers: `python -m workflows.teardown`.

It works from the marks of what is on the servers, not from what the site or this machine remembers:
a site only says where to look, and for which cluster.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
from nornir.core.inventory import Host

from farswitch.leftovers.one_cluster import owner_of, pools_of
from farswitch.leftovers.orphans import UNNAMED, Leftovers, orphans
from farswitch.model.owner import Owner
from farswitch.model.settings import Settings
from farswitch.run.cli import Options, changing, main
from farswitch.run.command import Command
from farswitch.run.list_leftovers import list_objects, reasons_to_keep
from farswitch.run.locking import fenced, locked
from farswitch.run.session import Session
from farswitch.run.ssh_config import forget
from farswitch.run.stages import Filter, Stage, hypervisors, servers, step
from farswitch.run.teardown_options import TeardownOptions, where
from farswitch.state.document import NewerDocumentError
from tasks.find_leftovers import find_leftovers
from tasks.firewall_reset import firewall_reset
from tasks.guard import guard
from tasks.image_remove import image_remove
from tasks.impair import impair
from tasks.links_remove import links_remove
from tasks.matrix import matrix
from tasks.record import record
from tasks.switch_remove import switch_remove
from tasks.sysctl import sysctl
from tasks.vm_remove import vm_remove
from workflows.lab_up import lab_is_gone

LOOK = Stage(servers, (step(find_leftovers),))


def stages(
    session: Session,
    name: str,
    *,
    site: Settings | None = None,
    keep_image: bool = False,
    unneeded: bool = False,
) -> Iterator[Stage]:
    """Yield what removes one cluster, in order: guests, network, settings, and last the record.

    Each step is a stage of its own: one that fails does not keep the others from cleaning up, but
    the record stays. Without a site, a server that nobody could look at is left alone.

    Args:
        session: The run, on the servers where the cluster may be.
        name: The cluster's.
        site: What the site says of it, where there is one.
        keep_image: Leave the base image for the next build.
        unneeded: It stays where somebody needs it: it may have been built since it was found.

    Raises:
        NewerDocumentError: A newer release wrote the cluster's record or a server's journal.
    """
    failed_before = _failed_steps(session)
    yield LOOK
    by_server = leftovers(session)
    if unneeded and (why := orphans(by_server, ()).get(name)):
        session.note(f"Cluster '{name}' stays: {why}.")
        return
    _refuse_newer(session, name, by_server)
    owner = owner_of(name, by_server, site)
    on = servers if site else _looked_at(by_server)
    for pool in pools_of(name, by_server, site):
        path, with_libvirt = _path_of(pool, site), _libvirt(by_server, on)
        removal = step(vm_remove, owner=owner, pool=pool, pool_path=path)
        yield Stage(with_libvirt, (removal,))
        if not keep_image:
            images = step(image_remove, pool=pool, pool_path=path, without=name)
            yield Stage(with_libvirt, (images,))
    yield from server_stages(on, owner)
    if _failed_steps(session) == failed_before:
        yield Stage(on, (step(record, owner=owner, present=False),))


def server_stages(on: Filter, owner: Owner) -> Iterator[Stage]:
    """Yield what removes a cluster's network from servers and restores their settings."""
    yield Stage(on, (step(switch_remove, owner=owner),))
    yield Stage(on, (step(impair, name="impairments", ends=(), owner=owner, present=False),))
    yield Stage(on, (step(links_remove, name="links", owner=owner),))
    yield Stage(on, (step(firewall_reset, owner=owner, present=False),))
    yield Stage(on, (step(guard, owner=owner, present=False),))
    yield Stage(on, (step(matrix, owner=owner, present=False),))
    yield Stage(on, (step(sysctl, owner=owner, present=False),))


def nameless(by_server: dict[str, Leftovers]) -> Iterator[Stage]:
    """Yield what removes base images that no guest needs, and links of no known cluster."""
    on = _looked_at(by_server)
    for pool in sorted({pool for here in by_server.values() for pool in here.pools}):
        yield Stage(_libvirt(by_server, on), (step(image_remove, pool=pool),))
    for base in sorted({base for here in by_server.values() for base in here.strays}):
        yield Stage(on, (step(links_remove, name="links", owner=Owner(UNNAMED, base)),))


def leftovers(session: Session) -> dict[str, Leftovers]:
    """Return what was found on each server that could be looked at."""
    step_name, results = LOOK.steps[0].name, session.recorder.results
    names = [host.name for host in session.hosts(servers)]
    return {name: results[step_name, name] for name in names if (step_name, name) in results}


def _refuse_newer(session: Session, name: str, by_server: dict[str, Leftovers]) -> None:
    errors = [result.exception for _, _, result in session.recorder.returned]
    errors += [here.newer[name] for here in by_server.values() if name in here.newer]
    for error in errors:
        if isinstance(error, NewerDocumentError):
            raise error


def _failed_steps(session: Session) -> int:
    """Return how many steps failed; of those that fail alike the report has only the first."""
    return sum(result.failed for _, _, result in session.recorder.returned)


def _looked_at(by_server: dict[str, Leftovers]) -> Filter:
    return lambda host: servers(host) and host.name in by_server


def _path_of(pool: str, site: Settings | None) -> str:
    """Return the folder of a pool as far as the site has it."""
    return site.pool_path if site and site.pool == pool else ""


def _libvirt(by_server: dict[str, Leftovers], on: Filter) -> Filter:
    """Return the filter of servers that may have guests; a hypervisor has them with libvirt off."""
    running = {name for name, here in by_server.items() if here.libvirt}
    return lambda host: on(host) and (hypervisors(host) or host.name in running)


def _keeper(session: Session, name: str) -> Host:
    """Return the server with the cluster's record, whose lock comes first; else the first."""
    session.run([LOOK], on_failed=True)
    keepers = {server for server, here in leftovers(session).items() if name in here.records}
    hosts = session.hosts(servers)
    return next((host for host in hosts if host.name in keepers), hosts[0])


def _remove(
    session: Session,
    name: str,
    *,
    head: Host,
    site: Settings | None,
    keep: bool,
    unneeded: bool = False,
) -> None:
    with locked(session, cluster=name, head=head, reach_all=False):
        removal = stages(session, name, site=site, keep_image=keep, unneeded=unneeded)
        session.run(fenced(session, removal), on_failed=True)


def _remove_one(session: Session, wanted: TeardownOptions) -> str:
    """Remove one cluster, the site's or the one that was named; return its name."""
    if not wanted.cluster:
        site = session.site.settings
        _remove(session, site.cluster, head=session.head_host, site=site, keep=wanted.keep_image)
        return site.cluster
    name = wanted.cluster
    head = _keeper(session, name)
    _remove(session, name, head=head, site=None, keep=wanted.keep_image)
    by_server = leftovers(session)
    if not session.recorder.failures and not any(here.of(name) for here in by_server.values()):
        session.note(f"Nothing of cluster '{name}' was found on {', '.join(by_server)}.")
    return name


def _orphans(session: Session, wanted: TeardownOptions) -> None:
    """List what is there, cluster by cluster, and remove what nobody needs if that is wanted."""
    session.run([LOOK], on_failed=True)
    by_server = leftovers(session)
    kept = reasons_to_keep(session, by_server)
    list_objects(session, by_server, kept)
    if not wanted.remove:
        return
    if session.recorder.failures:
        session.note("Nothing was removed: each server has to be looked at first.")
        return
    for name in [name for name, why in kept.items() if name and not why]:
        head = session.hosts(servers)[0]
        _remove(session, name, head=head, site=None, keep=wanted.keep_image, unneeded=True)
    if not (kept[UNNAMED] or wanted.keep_image):
        session.run(nameless(by_server), on_failed=True)


@main("teardown")
def teardown(options: Options, wanted: TeardownOptions) -> int:
    """Tear down and report."""
    wanted.check(options.site)
    with Session("teardown", options, inventory=wanted.inventory()) as session:
        name, gone = wanted.cluster, not wanted.orphans
        if not wanted.server and lab_is_gone(session):
            session.note("The lab is down: nothing of the cluster is left on it.")
            own = session.site.settings.cluster
            name = name or (own if gone else "")
            gone = name == own  # another cluster's servers were not looked at
        elif wanted.orphans:
            _orphans(session, wanted)
        else:
            name = _remove_one(session, wanted)
        if gone and not options.dry_run and not session.recorder.failures:
            forget(name)
        return session.finish(cluster=name)


@click.command(cls=Command)
@click.option("--keep-image", is_flag=True, help="Leave the base image for the next build.")
@click.option("--cluster", metavar="NAME", default="", help="Any cluster, without its site.")
@click.option("--orphans", is_flag=True, help="List what farswitch has there, of all clusters.")
@click.option("--remove", is_flag=True, help="With --orphans: remove what nobody needs.")
@where
@changing
def command(**options: Any) -> None:
    """Remove the cluster and restore both servers."""
    names = TeardownOptions.__dataclass_fields__
    wanted = TeardownOptions(**{name: options.pop(name) for name in names})
    teardown(Options(**options), wanted=wanted)


if __name__ == "__main__":
    command(prog_name="python -m workflows.teardown")

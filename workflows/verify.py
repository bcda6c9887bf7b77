"""Prove that MPI works and that its bytes cross the switch: `python -m workflows.verify`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import click
from nornir.core.task import Result

from tasks.bridge import bridge
from tasks.checks.reach import reach
from tasks.checks.settled import settled
from tasks.checks.share import Token, share_clean, share_read, share_write
from tasks.firewall_reset import firewall_reset
from tasks.guard import guard
from tasks.hosts_file import hosts_file
from tasks.mpi import mpi
from tasks.mtu import derive, mtu
from tasks.nfs import nfs
from tasks.preflight import facts_of, preflight
from tasks.ssh_keys import ssh_keys
from tasks.sysctl import sysctl
from tasks.verify import verify
from tasks.vxlan import vxlan
from workflows.build import DEVICE
from workflows.options import Options, main, shared
from workflows.session import Session
from workflows.stages import PerHost, Stage, Step, guests, resolve, servers, step


def stages(session: Session) -> Iterator[Stage]:
    """Yield the checks, in order: servers, guests, reach, share, MPI and its way."""
    cluster, record = session.cluster, session.record
    settings = cluster.settings
    yield Stage(servers, (step(preflight, cluster=cluster),))
    size = derive(settings.mtu, [facts_of(host).underlay for host in session.hosts(servers)])
    yield Stage(
        servers,
        (
            _settled(sysctl, "server.sysctl", cluster=cluster),
            _settled(guard, "server.guard", cluster=cluster, device=DEVICE),
            _settled(firewall_reset, "server.firewall", cluster=cluster, device=DEVICE),
            _settled(bridge, "server.bridges", cluster=cluster, mtu=size),
            _settled(vxlan, "tunnel.ends", cluster=cluster, device=DEVICE, mtu=size),
            _settled(mtu, "server.mtu", cluster=cluster, mtu=size),
        ),
        vital=False,
    )
    yield Stage(
        guests,
        (
            _settled(mtu, "guest.mtu", cluster=cluster, mtu=size),
            _settled(firewall_reset, "guest.firewall", cluster=cluster),
            _settled(hosts_file, "guest.hosts_file", cluster=cluster),
            _settled(ssh_keys, "guest.ssh_keys", cluster=cluster, record=record),
            _settled(nfs, "guest.nfs", cluster=cluster),
            _settled(mpi, "guest.mpi", cluster=cluster),
            step(reach, settings=settings, guests=cluster.guests, mtu=size),
        ),
        vital=False,
    )
    if session.options.dry_run:
        return
    token = Token.fresh(settings)
    head = session.is_first_of(cluster.guests)
    read = step(share_read, settings=settings, guests=cluster.guests, token=token)
    yield Stage(guests, (step(share_write, settings=settings, token=token),), vital=False)
    yield Stage(guests, (read,), vital=False)
    yield Stage(head, (step(share_clean, settings=settings, token=token),), vital=False)
    hosts = {host.name: host for host in session.hosts(servers)}
    run = step(verify, cluster=cluster, guests=cluster.guests, mtu=size, servers=hosts)
    yield Stage(head, (run,), vital=False)


def _settled(of: Callable[..., Result], name: str, **arguments: Any) -> Step:
    """Return the step that asks a task of the build what it would change."""
    per_host = PerHost(lambda host: resolve(arguments, host))
    return Step(settled, {"of": of, "check": name, "arguments": per_host}, name)


@main("verify")
def run(options: Options) -> int:
    """Verify and report."""
    with Session("verify", options) as session:
        session.recall()
        session.run(stages(session))
        return session.finish()


@click.command()
@shared
def command(**options: Any) -> None:
    """Prove that the cluster works and that MPI's bytes cross the switch."""
    run(Options(**options))


if __name__ == "__main__":
    command(prog_name="python -m workflows.verify")

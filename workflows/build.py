"""Raise the cluster, or bring what stands to what is wanted: `python -m workflows.build`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
from nornir.core.inventory import Host

from farswitch.guests.base_image import base_image
from farswitch.guests.domain import Hardware
from farswitch.guests.server_facts import facts_of
from farswitch.run.cli import Options, main, shared
from farswitch.run.locking import fenced, locked
from farswitch.run.session import Session
from farswitch.run.ssh_config import write_login
from farswitch.run.stages import PerHost, Stage, guests, hypervisors, servers, step
from farswitch.site.nornir_data import hypervisor_of
from tasks.bridge import bridge
from tasks.bridge_ports import ports
from tasks.fdb import fdb
from tasks.firewall_reset import firewall_reset
from tasks.guard import guard
from tasks.hosts_file import hosts_file
from tasks.image import image, image_source
from tasks.mpi import mpi
from tasks.mpi_smoke import mpi_run
from tasks.mtu import derive, mtu
from tasks.nfs import nfs
from tasks.preflight import preflight
from tasks.read_guest_files import guest_files
from tasks.record import record
from tasks.ssh_keys import ssh_keys
from tasks.sysctl import sysctl
from tasks.underlay_udp import tunnel_port
from tasks.vm_boot import vm_boot
from tasks.vm_remove import domains
from tasks.vxlan import vxlan
from workflows.lab_up import ensure_lab

DEVICE = PerHost(lambda host: facts_of(host).underlay.device)
"""The device of a server's underlay, as preflight found it."""


def stages(session: Session) -> Iterator[Stage]:
    """Yield what a build does, in order; a later stage uses what an earlier one found."""
    cluster = session.cluster
    yield Stage(servers, (step(preflight, cluster=cluster),))

    progress = session.progress
    if not session.options.dry_run:
        source = step(image_source, settings=cluster.settings, progress=progress)
        yield Stage(hypervisors, (source,))
    ask = step(tunnel_port, cluster=cluster, hosts=session.nornir.inventory.hosts)
    yield Stage(session.is_head, (ask,))
    underlays = [facts_of(host).underlay for host in session.hosts(servers)]
    known = session.record_of(session.head_host)
    size = derive(cluster.settings.mtu, underlays, known.mtu if known else 0)
    wanted = PerHost(lambda host: {guest.name for guest in cluster.guests_of(host.name)})
    named = len(session.site.guests)
    keep = step(record, cluster=cluster, holder=session.keys, site=named, mtu=size)
    yield Stage(session.is_head, (keep,))
    yield Stage(hypervisors, (step(domains, cluster=cluster, wanted=wanted),))
    yield Stage(
        servers,
        (
            step(sysctl, cluster=cluster),
            step(guard, cluster=cluster, device=DEVICE),
            step(firewall_reset, cluster=cluster, device=DEVICE),
            step(bridge, cluster=cluster, mtu=size),
            step(vxlan, cluster=cluster, device=DEVICE, mtu=size),
            step(ports, cluster=cluster),
            step(fdb, cluster=cluster, device=DEVICE, mtu=size),
            step(mtu, name="mtu_servers", cluster=cluster, mtu=size),
        ),
    )
    yield Stage(hypervisors, (step(image, settings=cluster.settings, progress=progress),))

    base = base_image(cluster.settings)
    configure = (
        step(mtu, cluster=cluster, mtu=size),
        step(firewall_reset, name="firewall_guests", cluster=cluster),
        step(guest_files, cluster=cluster, record=PerHost(session.record_of)),
        step(hosts_file, cluster=cluster),
        step(ssh_keys, cluster=cluster, record=PerHost(session.record_of)),
        step(nfs, cluster=cluster),
        step(mpi, cluster=cluster),
    )

    def hardware(host: Host) -> Hardware:
        facts = facts_of(hypervisor_of(host))
        return Hardware(facts.accelerator, size, cluster.settings.pool_path, base)

    boot = step(
        vm_boot, cluster=cluster, record=PerHost(session.record_of), hardware=PerHost(hardware)
    )
    if session.options.dry_run:
        yield Stage(guests, (boot,), vital=False)
        yield Stage(session.settled, configure, vital=False)
    else:
        yield Stage(guests, (boot, *configure), vital=False)
        good = session.good_guests()
        run = step(mpi_run, settings=cluster.settings, guests=good, mtu=size)
        yield Stage(session.is_first_of(good), (run,))


@main("build")
def build(options: Options) -> int:
    """Build and report."""
    with Session("build", options) as session:
        ensure_lab(session)
        with locked(session):
            session.recall(follow_site=True)
            session.run(fenced(session, stages(session)))
        if not options.dry_run and "vm_boot" in session.recorder.rows:
            write_login(session)
        return session.finish()


@click.command()
@shared
def command(**options: Any) -> None:
    """Raise the cluster of the site, or bring what stands to what is wanted."""
    build(Options(**options))


if __name__ == "__main__":
    command(prog_name="python -m workflows.build")

"""Raise the cluster, or bring what stands to what is wanted: `python -m workflows.build`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
from nornir.core.inventory import Host

from farswitch.guests.base_image import WantedImage, wanted_image
from farswitch.guests.config import wanted_config
from farswitch.guests.domain import Hardware
from farswitch.guests.files.hosts import wanted_addresses
from farswitch.guests.files.mpi import wanted_mpi
from farswitch.guests.server_facts import facts_of
from farswitch.links.mtu import derive
from farswitch.links.wanted import (
    wanted_bridges,
    wanted_forwarding,
    wanted_hops,
    wanted_ports,
    wanted_tunnels,
)
from farswitch.run.cli import Options, main, shared
from farswitch.run.locking import fenced, locked
from farswitch.run.session import Session
from farswitch.run.ssh_config import write_login
from farswitch.run.stages import PerHost, Stage, Step, guests, hypervisors, servers, step
from farswitch.site.nornir_data import server_of
from farswitch.state.record import complete
from tasks.bridge import bridge
from tasks.bridge_ports import bridge_ports
from tasks.fdb import fdb
from tasks.firewall_reset import firewall_reset
from tasks.guard import guard
from tasks.hosts_file import hosts_file
from tasks.image import image
from tasks.image_source import image_source
from tasks.mpi import mpi
from tasks.mpi_smoke import mpi_smoke
from tasks.mtu import mtu
from tasks.nfs import nfs
from tasks.preflight import preflight
from tasks.read_guest_files import read_guest_files
from tasks.record import record
from tasks.ssh_keys import ssh_keys
from tasks.sysctl import sysctl
from tasks.underlay_udp import tunnel_port
from tasks.vm_boot import vm_boot
from tasks.vm_remove import vm_remove
from tasks.vxlan import vxlan
from workflows.lab_up import ensure_lab

DEVICE = PerHost(lambda host: facts_of(host).underlay.device)
"""The device of a server's underlay, as preflight found it."""


def stages(session: Session) -> Iterator[Stage]:
    """Yield what a build does, in order; a later stage uses what an earlier one found."""
    cluster, owner = session.cluster, session.cluster.owner
    yield Stage(servers, (step(preflight, cluster=cluster),))

    progress, disk_image = session.progress, wanted_image(cluster.settings)
    if not session.options.dry_run:
        source = step(image_source, wanted=disk_image, progress=progress)
        yield Stage(hypervisors, (source,))
    ask = step(tunnel_port, cluster=cluster, hosts=session.nornir.inventory.hosts)
    yield Stage(session.is_head, (ask,))
    underlays = [facts_of(host).underlay for host in session.hosts(servers)]
    known = session.record_of(session.head_host)
    size = derive(cluster.settings.mtu, underlays, known.mtu if known else 0)
    stay = PerHost(lambda host: {guest.name for guest in cluster.guests_of(host.name)})
    named = len(session.site.guests)
    bridges = PerHost(lambda host: wanted_bridges(cluster, server_of(host), mtu=size))
    tunnels = PerHost(
        lambda host: wanted_tunnels(
            cluster, server_of(host), device=facts_of(host).underlay.device, mtu=size
        )
    )
    ports = PerHost(lambda host: wanted_ports(cluster, server_of(host)))
    forwarding = PerHost(lambda host: wanted_forwarding(cluster, server_of(host)))
    hops = PerHost(lambda host: wanted_hops(cluster, server_of(host)))
    wanted_record = complete(known, cluster, named, size)
    keep = step(record, owner=cluster.owner, want=wanted_record, have=known)
    yield Stage(session.is_head, (keep,))
    session.take_record(session.result("record", session.head_host.name))
    yield Stage(hypervisors, (step(vm_remove, owner=owner, pool=disk_image.pool, keep=stay),))
    yield Stage(
        servers,
        (
            step(sysctl, cluster=cluster),
            step(guard, cluster=cluster, device=DEVICE),
            step(firewall_reset, cluster=cluster, device=DEVICE),
            step(bridge, bridges=bridges, owner=owner),
            step(vxlan, tunnels=tunnels, owner=owner),
            step(bridge_ports, name="ports", ports=ports),
            step(fdb, forwarding=forwarding, tunnels=tunnels, owner=owner),
            step(mtu, name="mtu_servers", size=size, hops=hops),
        ),
    )
    local = None if session.options.dry_run else _result(session, "image_source")
    upload = step(image, wanted=disk_image, local=local, progress=progress)
    yield Stage(hypervisors, (upload,))

    boot, configure = guest_steps(session, size, disk_image)
    if session.options.dry_run:
        yield Stage(guests, (boot,), vital=False)
        yield Stage(session.settled, configure, vital=False)
    else:
        yield Stage(guests, (boot, *configure), vital=False)
        good = session.good_guests()
        run = step(mpi_smoke, guests=good, mtu=size)
        yield Stage(session.is_first_of(good), (run,))


def guest_steps(
    session: Session, size: int, disk_image: WantedImage
) -> tuple[Step, tuple[Step, ...]]:
    """Return a guest's boot, and what configures one that answers.

    Args:
        session: The run; its cluster has its record, but in the dry run of a first build.
        size: MTU of the data network, in bytes.
        disk_image: What the guests' disks stand on.
    """
    cluster, owner, base = session.cluster, session.cluster.owner, disk_image.base
    record = session.record_of(session.head_host)
    configs = {
        guest.name: wanted_config(cluster, guest, record) for guest in cluster.guests if record
    }

    def hypervisor(host: Host) -> Host:
        return session.nornir.inventory.hosts[cluster.guest(host.name).hypervisor]

    def hardware(host: Host) -> Hardware:
        return Hardware(facts_of(hypervisor(host)).accelerator, size, disk_image.pool_path, base)

    def plugged(host: Host) -> bool:
        return host.name not in session.result("ports", hypervisor(host).name)

    boot = step(
        vm_boot,
        guest=PerHost(lambda host: cluster.guest(host.name)),
        hypervisor=PerHost(hypervisor),
        hardware=PerHost(hardware),
        config=PerHost(lambda host: configs.get(host.name)),
        plugged=PerHost(plugged),
    )
    have = _result(session, "read_guest_files")
    return boot, (
        step(mtu, size=size),
        step(firewall_reset, name="firewall_guests", cluster=cluster),
        step(read_guest_files, paths=PerHost(lambda host: configs[host.name].paths)),
        step(hosts_file, addresses=wanted_addresses(cluster), owner=owner, have=have),
        step(
            ssh_keys, access=PerHost(lambda host: configs[host.name].access), owner=owner, have=have
        ),
        step(nfs, share=PerHost(lambda host: configs[host.name].share), owner=owner, have=have),
        step(mpi, settings=wanted_mpi(cluster), owner=owner, have=have),
    )


def _result(session: Session, name: str) -> PerHost:
    """Return what an earlier step found out, as an argument of a later one on the same host."""
    return PerHost(lambda host: session.result(name, host.name))


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

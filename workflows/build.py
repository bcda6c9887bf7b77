"""Raise the cluster, or bring what stands to what is wanted: `python -m workflows.build`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from threading import Semaphore
from typing import Any

import click
from nornir.core.inventory import Host

from farswitch.errors import FarswitchError
from farswitch.firewall.guard_wanted import wanted_guard
from farswitch.firewall.traffic import wanted_flows
from farswitch.guests.base_image import wanted_image
from farswitch.guests.boot_plan import Action, begins_anew, boots_at_once, runs_on
from farswitch.guests.config import wanted_configs
from farswitch.guests.domain import Hardware
from farswitch.guests.observed import as_seeded
from farswitch.guests.server_facts import Facts
from farswitch.impair.plan import PortWish, port_ends, site_wishes
from farswitch.links.mtu import derive
from farswitch.links.underlay import Underlay
from farswitch.links.wanted import (
    wanted_bridges,
    wanted_forwarding,
    wanted_hops,
    wanted_ports,
    wanted_tunnels,
    wanted_veths,
)
from farswitch.links.wanted_server import wanted_server
from farswitch.proof.path_mtu import tunnel_paths
from farswitch.run.cli import Options, changing, main
from farswitch.run.command import Command
from farswitch.run.locking import fenced, locked
from farswitch.run.session import Session
from farswitch.run.ssh_config import write_login
from farswitch.run.stages import (
    Filter,
    PerHost,
    Stage,
    Step,
    guests,
    hypervisors,
    is_switch,
    resolve,
    servers,
    step,
)
from farswitch.state.record import complete
from farswitch.status.observed import ServerLook
from farswitch.switches.exchange import is_held
from tasks.bridge import bridge
from tasks.bridge_ports import bridge_ports
from tasks.fdb import fdb
from tasks.firewall_reset import firewall_reset
from tasks.guard import guard
from tasks.guest_firewall import guest_firewall
from tasks.hosts_file import hosts_file
from tasks.image import image
from tasks.image_source import image_source
from tasks.impair import impair
from tasks.interfaces import interfaces
from tasks.mpi import mpi
from tasks.mpi_smoke import mpi_smoke
from tasks.mtu import mtu
from tasks.nfs import nfs
from tasks.observe_guest import observe_guest
from tasks.preflight import preflight
from tasks.record import record
from tasks.ssh_keys import ssh_keys
from tasks.switch import switch
from tasks.switch_remove import switch_remove
from tasks.sysctl import sysctl
from tasks.underlay_udp import underlay_udp
from tasks.veth import veth
from tasks.vm_boot import vm_boot
from tasks.vm_remove import vm_remove
from tasks.vxlan import vxlan
from workflows.lab_up import ensure_lab

STEPS = (
    "preflight", "image_source", "underlay_udp", "record", "vm_remove",
    "sysctl", "guard", "firewall_reset", "bridge", "veth", "vxlan", "bridge_ports", "fdb",
    "mtu_servers", "switch", "impair", "image",
    "vm_boot", "observe_guest", "mtu", "firewall_guests", "hosts_file", "ssh_keys", "nfs", "mpi",
    "interfaces", "mpi_smoke",
)  # fmt: skip
"""What a build does, to be shown before its stages are made: each uses what an earlier one found.

A run may leave some out."""


def stages(session: Session) -> Iterator[Stage]:
    """Yield what a build does, in order; a later stage uses what an earlier one found out."""
    dry_run = session.options.dry_run
    yield preflight_stage(session)
    if not dry_run:
        yield image_source_stage(session)
    yield underlay_stage(session)
    size = data_mtu(session)
    yield record_stage(session, size)
    session.take_record(session.result("record", session.head_host.name))
    yield removal_stage(session)
    yield from release_stages(session, size)
    yield servers_stage(session, size)
    yield switch_stage(session, size)
    yield impair_stage(session, size)
    yield image_stage(session)
    yield from guests_stages(session, size)
    if not dry_run and session.recorder.changed:  # of a cluster that stands, verify proves it
        yield Stage(servers, (step(interfaces),), vital=False)  # those that were made, too
        yield smoke_stage(session, size)


def network_stages(session: Session) -> Iterator[Stage]:
    """Yield what brings the network of a cluster that was built into order, but for its guests."""
    yield preflight_stage(session)
    size = data_mtu(session)
    yield servers_stage(session, size)
    yield switch_stage(session, size)
    yield impair_stage(session, size)


def preflight_stage(session: Session) -> Stage:
    """Return the check of the servers; nothing is changed before it ends well."""
    want, flows = _on_server(session, wanted_server), _on_server(session, wanted_flows)
    cluster = session.cluster
    own = cluster.settings.switch if cluster.attachment != "bridge" else None
    look = step(
        preflight,
        want=want,
        mode=cluster.settings.firewall,
        flows=flows,
        adapter=PerHost(lambda host: own if is_switch(host) else None),
        ends=_on_server(session, port_ends, wishes=site_wishes(cluster)),
        lab=session.site.lab is not None,
        ports=cluster.switch_ports(0),  # the MTU follows from what is looked at here
    )
    return Stage(servers, (look,))


def image_source_stage(session: Session) -> Stage:
    """Return the making or download of the guests' image on the controller."""
    disk_image = wanted_image(session.cluster.settings)
    return Stage(hypervisors, (step(image_source, wanted=disk_image, progress=session.progress),))


def underlay_stage(session: Session) -> Stage:
    """Return the test of what lies between the servers."""
    cluster, hosts = session.cluster, session.nornir.inventory.hosts
    devices = {server.name: _underlay(session, server.name).device for server in cluster.servers}
    below = {server.name: _underlay(session, server.name).below for server in cluster.servers}
    paths = tunnel_paths(cluster, devices)
    return Stage(session.is_head, (step(underlay_udp, paths=paths, hosts=hosts, below=below),))


def data_mtu(session: Session) -> int:
    """Return the MTU of the data network, in bytes, from what preflight found of the underlay."""
    underlays = [_underlay(session, server.name) for server in session.cluster.servers]
    built = session.record
    return derive(session.cluster.settings.mtu, underlays, built.mtu if built else 0)


def record_stage(session: Session, size: int) -> Stage:
    """Return the keeping of the cluster's size and keys; `size` is its MTU in bytes."""
    have = session.record
    want = complete(have, session.cluster, len(session.site.guests), size)
    return Stage(
        session.is_head, (step(record, owner=session.cluster.owner, want=want, have=have),)
    )


def removal_stage(session: Session) -> Stage:
    """Return the removal of guests that the cluster has no more."""
    cluster = session.cluster
    keep = PerHost(lambda host: {guest.name for guest in cluster.guests_of(host.name)})
    settings = cluster.settings
    removal = step(
        vm_remove,
        owner=cluster.owner,
        pool=settings.pool,
        pool_path=settings.pool_path,
        keep=keep,
    )
    return Stage(hypervisors, (removal,))


def release_stages(session: Session, size: int) -> Iterator[Stage]:
    """Yield the end of an earlier switch that has to let go of the tunnels; `size` is the MTU."""
    cluster, name = session.cluster, session.cluster.switch.name
    device = underlay_device(session, name)
    tunnels = wanted_tunnels(cluster, cluster.switch, device=device, mtu=size)
    links = session.result("preflight", name).links
    if not session.options.dry_run and is_held(links, tunnels, cluster.owner):
        yield Stage(is_switch, (step(switch_remove, owner=cluster.owner),))


def servers_stage(session: Session, size: int, looked: str = "preflight") -> Stage:
    """Return the network of both servers: settings, guard, bridges, tunnels and their MTU.

    `looked` is the step that found each server's links and underlay. In a dry run a step starts
    from what the one before it would leave.
    """
    cluster, owner = session.cluster, session.cluster.owner
    device = PerHost(lambda host: _underlay(session, host.name, looked).device)
    tunnels = _on_server(session, wanted_tunnels, device=device, mtu=size)
    below = PerHost(lambda host: _underlay(session, host.name, looked).below)
    flows = _on_server(session, wanted_flows, device=device, below=below)
    forwarding = _on_server(session, wanted_forwarding)
    bridges, ports = (
        _on_server(session, wanted_bridges, mtu=size),
        _on_server(session, wanted_ports),
    )
    ends, hops = _on_server(session, wanted_veths, mtu=size), _on_server(session, wanted_hops)
    have = PerHost(lambda host: session.result(looked, host.name).links)
    made = PerHost(lambda host: session.result("bridge", host.name))
    joined = PerHost(lambda host: session.result("veth", host.name))
    ready = PerHost(lambda host: session.result("vxlan", host.name))
    if not session.options.dry_run:  # what is there is what the steps before have left
        made = joined = ready = have
    return Stage(
        servers,
        (
            step(sysctl, owner=owner),
            step(guard, owner=owner, want=_on_server(session, wanted_guard, device=device)),
            step(firewall_reset, owner=owner, mode=cluster.settings.firewall, flows=flows),
            step(bridge, bridges=bridges, owner=owner, have=have),
            step(veth, ends=ends, owner=owner, have=made),
            step(vxlan, tunnels=tunnels, owner=owner, have=joined),
            step(bridge_ports, ports=ports, have=ready),
            step(fdb, forwarding=forwarding, tunnels=tunnels, owner=owner, have=have),
            step(mtu, name="mtu_servers", size=size, hops=hops, have=ready),
        ),
    )


def switch_stage(session: Session, size: int) -> Stage:
    """Return the switch itself, which takes the ports; `size` is the MTU in bytes."""
    cluster = session.cluster
    adapter, ports = cluster.settings.switch, cluster.switch_ports(size)
    holder = step(switch, adapter=adapter, ports=ports, owner=cluster.owner)
    return Stage(is_switch, (holder,))


def impair_stage(session: Session, size: int) -> Stage:
    """Return what the site says that ports do to frames; all others do nothing to them."""
    cluster = session.cluster
    return Stage(servers, (impair_step(session, site_wishes(cluster), size),))


def impair_step(session: Session, wishes: Mapping[str, PortWish], size: int) -> Step:
    """Return the step that has ports do what is wished; `size` is the MTU in bytes."""
    cluster = session.cluster
    return step(
        impair,
        ends=_on_server(session, port_ends, wishes=wishes),
        owner=cluster.owner,
        mtu=size,
        lab=session.site.lab is not None,
    )


def image_stage(session: Session) -> Stage:
    """Return the upload of the guests' image into libvirt's storage."""
    disk_image = wanted_image(session.cluster.settings)
    local = None if session.options.dry_run else _result(session, "image_source")
    upload = step(image, wanted=disk_image, local=local, progress=session.progress)
    return Stage(hypervisors, (upload,))


def guests_stages(session: Session, size: int) -> Iterator[Stage]:
    """Yield the guests' boot and settings; a dry run looks into those that run already."""
    boot, configure = guest_steps(session, size)
    if session.options.dry_run:
        yield Stage(guests, (boot,), vital=False)
        yield Stage(_is_to(session, runs_on), configure, vital=False)
        yield first_boot_stage(session, size)
        note_unseen(session)
    else:
        yield Stage(guests, (boot, *configure), vital=False)


def guest_steps(session: Session, size: int) -> tuple[Step, tuple[Step, ...]]:
    """Return a guest's boot, and what configures one that answers.

    Args:
        session: The run; its cluster has its record, but in the dry run of a first build.
        size: MTU of the data network, in bytes.
    """
    cluster, owner = session.cluster, session.cluster.owner
    disk_image = wanted_image(cluster.settings)
    base = disk_image.base
    record = session.record
    configs = wanted_configs(cluster, record) if record else {}

    def hardware(host: Host) -> Hardware:
        facts = session.result("preflight", session.hypervisor_of(host).name)
        return Hardware(facts.accelerator, size, disk_image.pool_path, base)

    def plugged(host: Host) -> bool:
        return host.name not in session.result("bridge_ports", session.hypervisor_of(host).name)

    turns = {server.name: _turns(session, server.name) for server in cluster.hypervisors}
    boot = step(
        vm_boot,
        guest=PerHost(lambda host: cluster.guest(host.name)),
        hypervisor=PerHost(session.hypervisor_of),
        hardware=PerHost(hardware),
        config=PerHost(lambda host: configs.get(host.name)),
        turns=PerHost(lambda host: turns[session.hypervisor_of(host).name]),
        plugged=PerHost(plugged),
    )
    have = _result(session, "observe_guest")
    share = PerHost(lambda host: configs[host.name].share)
    addresses = PerHost(lambda host: configs[host.name].addresses)
    access = PerHost(lambda host: configs[host.name].access)
    settings = PerHost(lambda host: configs[host.name].mpi)
    return boot, (
        step(observe_guest, share=share, paths=PerHost(lambda host: configs[host.name].paths)),
        step(mtu, size=size, have=have),
        step(guest_firewall, name="firewall_guests", have=have),
        step(hosts_file, addresses=addresses, owner=owner, have=have),
        step(ssh_keys, access=access, owner=owner, have=have),
        step(nfs, share=share, owner=owner, have=have),
        step(mpi, settings=settings, owner=owner, have=have),
    )


def _turns(session: Session, hypervisor: str) -> Semaphore:
    """Return what as many guests of a hypervisor hold as may boot at once."""
    facts = session.result("preflight", hypervisor)
    return Semaphore(boots_at_once(session.cluster.settings, facts.processors))


def first_boot_stage(session: Session, size: int) -> Stage:
    """Return what a dry run foresees of guests that are not there yet; `size` is the MTU."""
    cluster = session.cluster
    assert session.record is not None  # noqa: S101 - for the type checker: its stage came before
    configs = wanted_configs(cluster, session.record)
    finalize = wanted_image(cluster.settings).base.own
    have = PerHost(lambda host: as_seeded(configs[host.name], mtu=size, finalize=finalize))
    access = PerHost(lambda host: configs[host.name].access)
    keys = step(ssh_keys, access=access, owner=cluster.owner, have=have)
    return Stage(_is_to(session, begins_anew), (keys,), vital=False)


def note_unseen(session: Session) -> None:
    """Name the guests of which a dry run cannot know what a build has to do inside."""
    unseen = _is_to(session, lambda actions: not (runs_on(actions) or begins_anew(actions)))
    if names := ", ".join(host.name for host in session.hosts(unseen)):
        session.note(f"Not looked into until it runs: {names}. A build may change more there.")


def _is_to(session: Session, judge: Callable[[Collection[Action]], bool]) -> Filter:
    """Return the filter for guests by what their boot's plan does."""
    planned = session.recorder.results
    return lambda host: (
        guests(host) and ("vm_boot", host.name) in planned and judge(planned["vm_boot", host.name])
    )


def smoke_stage(session: Session, size: int) -> Stage:
    """Return a first MPI job on the guests that are ready."""
    ready = session.good_guests()
    return Stage(session.is_first_of(ready), (step(mpi_smoke, guests=ready, mtu=size),))


def _on_server(session: Session, wanted: Callable[..., Any], **more: Any) -> PerHost:
    """Return what is wanted of each server, as an argument; one of `more` may differ, too."""
    cluster = session.cluster
    return PerHost(lambda host: wanted(cluster, cluster.server(host.name), **resolve(more, host)))


def underlay_device(session: Session, server: str, looked: str = "preflight") -> str:
    """Return the device of a server's underlay, as a look has found it."""
    return _underlay(session, server, looked).device


def _underlay(session: Session, server: str, looked: str = "preflight") -> Underlay:
    """Return what a look at a server found out about its underlay."""
    facts: Facts | ServerLook = session.result(looked, server)
    if isinstance(facts.underlay, FarswitchError):
        raise facts.underlay
    return facts.underlay


def _result(session: Session, name: str) -> PerHost:
    """Return what an earlier step found out, as an argument of a later one on the same host."""
    return PerHost(lambda host: session.result(name, host.name))


@main("build")
def build(options: Options, stages: Callable[[Session], Iterator[Stage]] = stages) -> int:
    """Build and report.

    Args:
        options: As on the command line.
        stages: What a build does; with `after`, a workflow of one's own puts stages in between.
    """
    with Session("build", options) as session:
        ensure_lab(session)
        with locked(session):
            session.foresee(STEPS)
            session.read_record(follow_site=True)
            session.log_in_early()
            session.run(fenced(session, stages(session)))
        write_login(session)
        return session.finish()


@click.command(cls=Command)
@changing
def command(**options: Any) -> None:
    """Raise the cluster of the site, or bring what stands to what is wanted."""
    build(Options(**options))


if __name__ == "__main__":
    command(prog_name="python -m workflows.build")

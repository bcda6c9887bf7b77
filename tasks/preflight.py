"""Before anything is touched: can a server do it, and would it disturb what is there?

Every obstacle is an error of configuration, exit code 2, but for somebody else's object under a
name of ours, exit code 1. Either way no change was made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from nornir.core.inventory import Host
from nornir.core.task import Result, Task

from farswitch.connections.access import libvirt, netlink, shell
from farswitch.connections.libvirt.plugin import Hypervisor
from farswitch.connections.netlink.links import dump
from farswitch.connections.netlink.routes import captured, destinations, route_to
from farswitch.connections.shell.base import Shell
from farswitch.connections.shell.forwarding import forwarding_obstacles
from farswitch.errors import FarswitchError, ForeignObjectError, Obstacle, ObstaclesError
from farswitch.firewall.modes import foresee
from farswitch.firewall.obstacles import FirewallMode
from farswitch.firewall.traffic import Flow, on_underlay
from farswitch.guests import storage
from farswitch.guests.domain import Accelerator
from farswitch.guests.pin_preflight import parse as pins
from farswitch.guests.pin_preflight import pin_obstacles
from farswitch.guests.server_facts import Facts
from farswitch.impair.observe import kernel
from farswitch.impair.plan import PortEnd, of_kernel, refused
from farswitch.links.clashes import (
    able,
    captured_network,
    judge,
    link_clashes,
    parse,
    route_clashes,
)
from farswitch.links.held import held, held_obstacles
from farswitch.links.offloads import interfaces
from farswitch.links.requirements import TOOLS, has_python, lacks, system
from farswitch.links.underlay import judge as judge_underlay
from farswitch.links.wanted_server import WantedServer
from farswitch.lock.reserved import Reserved
from farswitch.model.owner import Owner
from farswitch.model.switch import Switch, SwitchPort
from farswitch.remote import shell_command, source
from farswitch.state.record import Record, read_all

_TOOLS = {"switch": TOOLS, "hypervisor": (*TOOLS, "qemu-img")}


def preflight(
    task: Task,
    want: WantedServer,
    *,
    builds: bool = True,
    mode: FirewallMode | None = None,
    flows: Sequence[Flow] = (),
    adapter: Switch | None = None,
    ports: Sequence[SwitchPort] = (),
    ends: Sequence[PortEnd] = (),
    lab: bool = False,
) -> Result:
    """Check one server; changes nothing.

    Args:
        task: Nornir's task on a server.
        want: What a cluster wants of it.
        builds: Whether something is to be built: what stands there clashes with nothing else.
        mode: What is to become of its firewall, if that is to be looked at.
        flows: What has to pass it; those without a device come and go by the underlay's.
        adapter: The switch that it is to carry; None where it carries none, or a bridge.
        ports: What that one is to hold.
        ends: What it should do to frames at its ends of ports.
        lab: The servers are stand-ins: without netem a program may delay frames.

    Returns:
        A result whose `result` is the server's `Facts`.

    Raises:
        ObstaclesError: The server cannot carry its part of the cluster; every reason is named.
    """
    login = shell(task)
    with ThreadPoolExecutor(1) as aside:
        connect = None
        if builds and want.server.role == "hypervisor":  # by a login of its own
            connect = aside.submit(libvirt, task).result
        facts = _check(task, login, want, connect, builds=builds, mode=mode, flows=flows)
        if adapter and builds:
            _refuse_unfit(task.host, adapter, ports, want.owner)
        if builds and of_kernel(ends):
            able = kernel(login)
            if obstacles := refused(ends, able, server=task.host.name, lab=lab):
                raise ObstaclesError(obstacles)
    return Result(host=task.host, result=facts)


def _refuse_unfit(host: Host, adapter: Switch, ports: Sequence[SwitchPort], owner: Owner) -> None:
    """Raise an ObstaclesError where a switch cannot be had on a server.

    That is what its plan refuses; the changes of one are made much later.
    """
    have = adapter.observe(host, owner)
    try:
        adapter.plan(have, ports, owner)
    except ObstaclesError:
        raise
    except FarswitchError as error:
        foreign = isinstance(error, ForeignObjectError)
        raise ObstaclesError([Obstacle(str(error), error.hint, foreign=foreign)]) from error


def _check(
    task: Task,
    login: Shell,
    want: WantedServer,
    connect: Callable[[], Hypervisor] | None,
    *,
    builds: bool,
    mode: FirewallMode | None,
    flows: Sequence[Flow],
) -> Facts:
    server = want.server
    argv = (source("interfaces"), want.pool_path, str(want.udp_port), *_TOOLS[server.role])
    text = login.run(shell_command("preflight", *argv)).stdout
    probe, installed = parse(text), system(text)
    unable = [*able(server, probe), *lacks(server.name, installed)]
    if not has_python(installed):  # netlink needs it
        raise ObstaclesError(unable)
    obstacles = unable.copy()
    with netlink(task).session() as ipr:
        links = dump(ipr)
        names = {link.index: link.name for link in links}
        routes = [(network, names.get(index, "")) for network, index in destinations(ipr)]
        inside = [guest.management_address.ip for guest in want.guests]
        capture = captured(ipr, inside) if server.role == "hypervisor" else None
        to_peers = [(peer, route_to(ipr, peer.underlay, server.underlay)) for peer in want.peers]
    accelerator: Accelerator = "kvm" if probe.kvm else "qemu"
    if builds:
        obstacles += held_obstacles(want, held(text), links)
        obstacles += judge(want, probe, links, _reserved(login) if connect else {})
        obstacles += route_clashes(want, routes)
        obstacles += captured_network(want, capture, names)
        obstacles += link_clashes(want, links)
    if connect:
        guests = [str(guest.management_address.ip) for guest in want.guests]
        obstacles += forwarding_obstacles(login, [] if server.local else guests)
        obstacles += pin_obstacles(want, text, links)
        obstacles += storage.look(want, login, connect, accelerator)
    try:
        underlay = judge_underlay(server, links, to_peers)
    except FarswitchError as error:
        raise ObstaclesError([*obstacles, Obstacle(str(error), error.hint)]) from error
    if mode and not unable:
        placed = on_underlay(flows, underlay.device, underlay.below)
        obstacles += foresee(login, want.owner, mode, placed)
    if obstacles:
        raise ObstaclesError(obstacles)
    return Facts(
        underlay, accelerator, probe.memory, probe.disk, len(pins(text).processors), links,
        interfaces=interfaces(text), versions=installed.versions,
    )  # fmt: skip


def _reserved(login: Shell) -> Mapping[str, Reserved | FarswitchError | None]:
    """Return what each cluster reserves that has its record on a server."""
    return {
        name: record.reserved if isinstance(record, Record) else record
        for name, record in read_all(login).items()
    }

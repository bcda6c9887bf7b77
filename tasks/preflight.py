"""Before anything is touched: can a server do it, and would it disturb what is there?

Every finding is an error of configuration, exit code 2, but for somebody else's object under a name
of ours, exit code 1. Either way no change was made.
"""

from __future__ import annotations

from nornir.core.task import Result, Task

from farswitch.connections.access import libvirt, netlink, shell
from farswitch.connections.netlink.links import dump
from farswitch.connections.netlink.routes import destinations, route_to
from farswitch.errors import FOREIGN_HINT, ConfigError, FarswitchError
from farswitch.guests.server_facts import Facts
from farswitch.links.clashes import (
    ServerProbe,
    able,
    domain_clashes,
    judge,
    link_clashes,
    parse,
    route_clashes,
)
from farswitch.links.underlay import judge as judge_underlay
from farswitch.links.wanted_server import WantedServer
from farswitch.remote import script
from farswitch.state.record import Record, read_all

_TOOLS = {
    "switch": ("nft", "python3"),
    "hypervisor": ("nft", "python3", "qemu-img", "qemu-system-x86_64"),
}


def preflight(task: Task, want: WantedServer, *, builds: bool = True) -> Result:
    """Check one server; changes nothing.

    Args:
        task: Nornir's task on a server.
        want: What a cluster wants of it.
        builds: Whether something is to be built: what stands there clashes with nothing else.

    Returns:
        A result whose `result` is the server's `Facts`.

    Raises:
        ConfigError: The server cannot carry its part of the cluster; every reason is named.
        FarswitchError: It could, but for objects of somebody else under names of ours.
    """
    server, login = want.server, shell(task)
    argv = ["preflight", want.pool_path, *_TOOLS[server.role]]
    probe = parse(login.run(["sh", "-c", script("preflight"), *argv]).stdout)
    with netlink(task).session() as ipr:
        links = dump(ipr)
        names = {link.index: link.name for link in links}
        routes = [(network, names.get(index, "")) for network, index in destinations(ipr)]
        to_peers = [(peer, route_to(ipr, peer.underlay)) for peer in want.peers]
    wrong, foreign = list[str](), list[str]()
    if builds:
        records = read_all(login) if server.role == "hypervisor" else {}
        reserved = {
            name: record.reserved if isinstance(record, Record) else record
            for name, record in records.items()
        }
        wrong += judge(want, probe, links, reserved)
        wrong += route_clashes(want, routes)
        foreign += link_clashes(want, links)
    else:
        wrong += able(server, probe)
    if builds and server.role == "hypervisor":
        foreign += domain_clashes(want, libvirt(task).list_domains())
    if wrong:
        raise ConfigError("\n".join(dict.fromkeys([*wrong, *foreign])), hint=_hint(probe))
    if foreign:
        raise FarswitchError("\n".join(foreign), hint=FOREIGN_HINT)
    try:
        underlay = judge_underlay(server, links, to_peers)
    except FarswitchError as error:
        raise ConfigError(str(error), hint=error.hint) from error
    facts = Facts(underlay, "kvm" if probe.kvm else "qemu", probe.memory, probe.disk)
    return Result(host=task.host, result=facts)


def _hint(probe: ServerProbe) -> str:
    if not probe.missing:
        return "Change the site, or free what is in the way."
    return "On Debian and Ubuntu: nftables, python3, qemu-utils, qemu-system-x86."

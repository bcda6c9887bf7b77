"""Before anything is touched: can these servers do it, and would it disturb what is there?

Every finding is an error of configuration, exit code 2, but for somebody else's object under a name
of ours, exit code 1. Either way no change was made.
"""

from __future__ import annotations

from nornir.core.task import Result, Task

from farswitch.connections.access import libvirt, netlink, shell
from farswitch.connections.netlink.links import dump
from farswitch.connections.netlink.routes import destinations, route_to
from farswitch.connections.shell.protocol import Shell
from farswitch.errors import FOREIGN_HINT, ConfigError, FarswitchError
from farswitch.guests.domain import Accelerator
from farswitch.guests.server_facts import FACTS, Facts
from farswitch.links.clashes import (
    Probe,
    able,
    domain_clashes,
    judge,
    link_clashes,
    parse,
    route_clashes,
)
from farswitch.links.underlay import judge as judge_underlay
from farswitch.links.underlay import peers
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Server
from farswitch.site.nornir_data import server_of
from farswitch.state.record import Record, read_all

_TOOLS = {
    "switch": ("nft", "python3"),
    "hypervisor": ("nft", "python3", "qemu-img", "qemu-system-x86_64"),
}
_SCRIPT = r"""
folder=$1
shift
echo "uid $(id -u)"
for tool in "$@"; do command -v "$tool" >/dev/null || echo "missing $tool"; done
echo "memory $(awk '/^MemAvailable/ {print int($2 / 1024)}' /proc/meminfo)"
while [ ! -d "$folder" ]; do folder=$(dirname "$folder"); done
echo "disk $(df --output=avail -B1M "$folder" | tail -n 1)"
grep -qw -e vmx -e svm /proc/cpuinfo && [ -w /dev/kvm ] && echo "kvm yes"
for kind in bridge "vxlan id 1 dstport 4789"; do
    unshare --net ip link add probe type $kind 2>/dev/null || echo "kernel ${kind%% *}"
done
exit 0
"""
"""Virtualisation counts only where the processor has it: /dev/kvm alone proves nothing. Links are
tried in a network namespace that ends with the command."""


def preflight(task: Task, cluster: Cluster, *, builds: bool = True) -> Result:
    """Check one server; changes nothing and keeps its facts in the host's data.

    Args:
        task: Nornir's task on a server.
        cluster: The cluster.
        builds: Whether something is to be built: what stands there clashes with nothing else.

    Raises:
        ConfigError: The server cannot carry its part of the cluster; every reason is named.
        FarswitchError: It could, but for objects of somebody else under names of ours.
    """
    server = server_of(task.host)
    login = shell(task)
    probe = _probe(login, cluster, server)
    with netlink(task).session() as ipr:
        links = dump(ipr)
        names = {link.index: link.name for link in links}
        routes = [(network, names.get(index, "")) for network, index in destinations(ipr)]
        ways = [(peer, route_to(ipr, peer.underlay)) for peer in peers(cluster, server)]
    found, foreign = list[str](), list[str]()
    if builds:
        records = read_all(login)
        reserved = {
            name: record.reserved
            for name, record in records.items()
            if isinstance(record, Record) and record.reserved
        }
        found += judge(cluster, server, probe, links, reserved)
        found += [str(error) for error in records.values() if isinstance(error, FarswitchError)]
        found += route_clashes(cluster, server, routes)
        foreign += link_clashes(cluster, server, links)
    else:
        found += able(server, probe)
    if builds and server.role == "hypervisor":
        foreign += domain_clashes(cluster, server, libvirt(task).list_domains())
    if found:
        raise ConfigError("\n".join(dict.fromkeys([*found, *foreign])), hint=_hint(probe))
    if foreign:
        raise FarswitchError("\n".join(foreign), hint=FOREIGN_HINT)
    try:
        way = judge_underlay(server, links, ways)
    except FarswitchError as error:
        raise ConfigError(str(error), hint=error.hint) from error
    accelerator: Accelerator = "kvm" if probe.kvm else "qemu"
    task.host.data[FACTS] = Facts(way, accelerator, probe.memory, probe.disk)
    return Result(host=task.host)


def _probe(login: Shell, cluster: Cluster, server: Server) -> Probe:
    folder = cluster.settings.pool_path
    said = login.run(["sh", "-c", _SCRIPT, "preflight", folder, *_TOOLS[server.role]])
    return parse(said.stdout)


def _hint(probe: Probe) -> str:
    if not probe.missing:
        return "Change the site, or free what is in the way."
    return "On Debian and Ubuntu: nftables, python3, qemu-utils, qemu-system-x86."

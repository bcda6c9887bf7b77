"""Before anything is touched: can these servers do it, and would it disturb what is there?

Every finding is an error of configuration: the run ends with exit code 2 and no change was made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import cast

from nornir.core.inventory import Host
from nornir.core.task import Result, Task

from connections.access import libvirt, netlink, shell
from connections.command import Shell
from connections.domains import DomainState
from connections.links import Link, dump
from connections.routes import destinations, route_to
from inventory.errors import ConfigError, FarswitchError
from inventory.hosts import server_of
from inventory.model import Cluster, Server
from tasks.domain import Accelerator
from tasks.link_plan import Owner
from tasks.underlay import Underlay, peers
from tasks.underlay import judge as judge_underlay

FACTS = "facts"
"""The key of a server's facts in its Nornir data."""
OWN_RESERVE = 256
"""MiB of RAM that a hypervisor keeps for itself beside its guests."""
_TOOLS = {
    "switch": ("nft", "python3"),
    "hypervisor": ("nft", "python3", "qemu-img", "qemu-system-x86_64"),
}
_SCRIPT = """
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


@dataclass(frozen=True, slots=True)
class Facts:
    """What a server is; memory and disk are free MiB."""

    underlay: Underlay
    accelerator: Accelerator
    memory: int
    disk: int


@dataclass(frozen=True, slots=True)
class Probe:
    """What the probe script said."""

    uid: int
    memory: int
    disk: int
    kvm: bool
    missing: tuple[str, ...]
    kernel: tuple[str, ...]


def parse(text: str) -> Probe:
    """Read what the probe script printed."""
    pairs = [line.split(None, 1) for line in text.splitlines() if " " in line]
    single = {pair[0]: pair[1].strip() for pair in pairs}
    return Probe(
        uid=int(single["uid"]),
        memory=int(single["memory"]),
        disk=int(single["disk"]),
        kvm="kvm" in single,
        missing=tuple(value for name, value in pairs if name == "missing"),
        kernel=tuple(value for name, value in pairs if name == "kernel"),
    )


def judge(cluster: Cluster, server: Server, probe: Probe, links: Sequence[Link]) -> Iterator[str]:
    """Yield one sentence for everything that stands against a build on this server."""
    yield from able(server, probe)
    yield from _clashes(cluster, server, links)
    if server.role == "hypervisor":
        yield from _room(cluster, server, probe, {link.name for link in links})


def able(server: Server, probe: Probe) -> Iterator[str]:
    """Yield one sentence for everything that a server lacks for any work on it."""
    if probe.uid != 0:
        yield f"The login on '{server.name}' is not privileged: uid {probe.uid}, wanted 0."
    if probe.missing:
        yield f"Programs are missing on '{server.name}': {', '.join(probe.missing)}."
    if probe.kernel:
        yield f"The kernel of '{server.name}' makes no {' and no '.join(probe.kernel)} interfaces."


def _room(cluster: Cluster, server: Server, probe: Probe, present: set[str]) -> Iterator[str]:
    """Compare what is free with what the guests need that do not run yet."""
    settings = cluster.settings
    new = [one for one in cluster.guests_of(server.name) if one.data_tap not in present]
    needed = len(new) * settings.memory + OWN_RESERVE
    if new and probe.memory < needed:
        yield (
            f"'{server.name}' has {probe.memory} MiB of free memory, wanted {needed} for "
            f"{len(new)} more guests of {settings.memory} MiB."
        )
    if new and probe.disk < 1024:  # noqa: PLR2004 - MiB, for the image and the start of the overlays
        yield f"'{server.name}' has {probe.disk} MiB of free disk, wanted at least 1024."


def _clashes(cluster: Cluster, server: Server, links: Sequence[Link]) -> Iterator[str]:
    """Yield what somebody else already uses: names, subnets and VNIs."""
    settings, owner = cluster.settings, Owner.of(cluster, server.name)
    networks = [("data_network", settings.data_network)]
    if server.role == "hypervisor":
        networks.append(("management_network", settings.management_network))
    vnis = {guest.vni for guest in cluster.guests}
    names = set(_names(cluster, server))
    for link in links:
        if owner.owns(link):
            continue
        if link.name in names:
            yield (
                f"'{server.name}' already has an interface '{link.name}', which is not of "
                f"cluster '{cluster.name}'."
            )
        for address in link.addresses:
            for name, network in networks:
                if isinstance(address.network, IPv4Network) and network.overlaps(address.network):
                    yield (
                        f"'{server.name}' already uses {address.network} on '{link.name}', which "
                        f"overlaps {name} {network}."
                    )
        if link.vxlan is not None and link.vxlan.vni in vnis:
            yield (
                f"'{server.name}' already has VNI {link.vxlan.vni} on '{link.name}', which is "
                f"one of this cluster's {min(vnis)} to {max(vnis)}."
            )


def _names(cluster: Cluster, server: Server) -> Iterator[str]:
    """Yield the names of the bridges and tunnels that the cluster has on a server."""
    if server.role == "switch":
        yield cluster.switch_bridge
        yield from (guest.tunnel for guest in cluster.guests)
        return
    yield cluster.management_bridge
    for guest in cluster.guests_of(server.name):
        yield from (guest.bridge, guest.tunnel)


def route_clashes(
    cluster: Cluster, server: Server, routes: Sequence[tuple[IPv4Network, str]]
) -> Iterator[str]:
    """Yield the routes of a server that lead into one of the cluster's networks.

    A wider route, such as a company's 10.0.0.0/8, is no clash: ours is the more specific one.

    Args:
        cluster: Whose networks.
        server: For the message; on the switch nothing of the cluster has an address.
        routes: Destination and device of each route that is not a default one.
    """
    if server.role == "switch":
        return
    settings = cluster.settings
    wanted = (
        ("data_network", settings.data_network),
        ("management_network", settings.management_network),
    )
    for destination, device in routes:
        for name, network in wanted:
            if device != cluster.management_bridge and destination.subnet_of(network):
                yield (
                    f"'{server.name}' has a route to {destination} over '{device}', which is "
                    f"part of {name} {network}."
                )


def domain_clashes(
    cluster: Cluster, server: Server, domains: Sequence[DomainState]
) -> Iterator[str]:
    """Yield the domains that have the name of one of our guests and not its mark."""
    wanted = {guest.domain: guest.name for guest in cluster.guests_of(server.name)}
    for domain in domains:
        owner = (domain.cluster, domain.guest)
        if domain.name in wanted and owner != (cluster.name, wanted[domain.name]):
            yield f"Domain '{domain.name}' on '{server.name}' exists without our mark."


def preflight(task: Task, cluster: Cluster, *, builds: bool = True) -> Result:
    """Check one server; changes nothing and keeps its facts in the host's data.

    Args:
        task: Nornir's task on a server.
        cluster: The cluster.
        builds: Whether something is to be built: what stands there clashes with nothing else.

    Raises:
        ConfigError: The server cannot carry its part of the cluster; every reason is named.
    """
    server = server_of(task.host)
    probe = _probe(shell(task), cluster, server)
    with netlink(task).session() as ipr:
        links = dump(ipr)
        names = {link.index: link.name for link in links}
        routes = [(network, names.get(index, "")) for network, index in destinations(ipr)]
        ways = [(peer, route_to(ipr, peer.underlay)) for peer in peers(cluster, server)]
    if not builds:
        found = list(able(server, probe))
    else:
        found = [*judge(cluster, server, probe, links), *route_clashes(cluster, server, routes)]
    if builds and server.role == "hypervisor":
        found += domain_clashes(cluster, server, libvirt(task).list_domains())
    if found:
        raise ConfigError("\n".join(dict.fromkeys(found)), hint=_hint(probe))
    try:
        way = judge_underlay(server, links, ways)
    except FarswitchError as error:
        raise ConfigError(str(error), hint=error.hint) from error
    accelerator: Accelerator = "kvm" if probe.kvm else "qemu"
    task.host.data[FACTS] = Facts(way, accelerator, probe.memory, probe.disk)
    return Result(host=task.host)


def facts_of(host: Host) -> Facts:
    """Return what preflight found out about a server.

    Raises:
        FarswitchError: It found that the server cannot be used.
    """
    if FACTS not in host.data:
        raise FarswitchError(f"'{host.name}' could not be asked for its facts.")
    return cast("Facts", host.data[FACTS])


def _probe(login: Shell, cluster: Cluster, server: Server) -> Probe:
    folder = cluster.settings.pool_path
    said = login.run(["sh", "-c", _SCRIPT, "preflight", folder, *_TOOLS[server.role]])
    return parse(said.stdout)


def _hint(probe: Probe) -> str:
    if not probe.missing:
        return "Change the site, or free what is in the way."
    return "On Debian and Ubuntu: nftables, python3, qemu-utils, qemu-system-x86."

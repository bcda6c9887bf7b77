"""What stands against a build on a server: pure judgements over what it was asked.

Each is a sentence. Those of `link_clashes` and `domain_clashes` name objects of somebody else under
names of ours; the others say that the site and the server do not fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

from farswitch.connections.libvirt.domains import DomainState
from farswitch.connections.netlink.links import Link
from farswitch.links.plan import owns
from farswitch.lock.reserved import Reserved, reserved_by
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Server

OWN_RESERVE = 256
"""MiB of RAM that a hypervisor keeps for itself beside its guests."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What the probe script printed."""

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


def judge(
    cluster: Cluster,
    server: Server,
    probe: Probe,
    links: Sequence[Link],
    reserved: Mapping[str, Reserved],
) -> Iterator[str]:
    """Yield one sentence for everything that stands against a build on this server.

    Args:
        cluster: What is to be built.
        server: One of its servers.
        probe: What the server can do.
        links: Its interfaces.
        reserved: What each cluster reserves that has its record there.
    """
    yield from able(server, probe)
    yield from _clashes(cluster, server, links)
    if server.role == "hypervisor":
        yield from _neighbours(cluster, server, reserved)
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


def _neighbours(
    cluster: Cluster, server: Server, reserved: Mapping[str, Reserved]
) -> Iterator[str]:
    """Yield what clusters that stand here have too, also while nothing of theirs is up."""
    for name, theirs in reserved.items():
        for what in reserved_by(cluster).shared_with(theirs) if name != cluster.name else ():
            yield f"Cluster '{name}', which stands on '{server.name}', has {what} too."


def _clashes(cluster: Cluster, server: Server, links: Sequence[Link]) -> Iterator[str]:
    """Yield what somebody else already uses: subnets and VNIs."""
    settings, owner = cluster.settings, cluster.owner
    networks = [("data_network", settings.data_network)]
    if server.role == "hypervisor":
        networks.append(("management_network", settings.management_network))
    vnis = {guest.vni for guest in cluster.guests}
    for link in links:
        if owns(owner, link):
            continue
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


def link_clashes(cluster: Cluster, server: Server, links: Sequence[Link]) -> Iterator[str]:
    """Yield the interfaces that have the name of one of ours and are not of this cluster."""
    owner, names = cluster.owner, set(_names(cluster, server))
    for link in links:
        if link.name in names and not owns(owner, link):
            yield (
                f"'{server.name}' already has an interface '{link.name}', which is not of "
                f"cluster '{cluster.name}'."
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

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
from farswitch.errors import FarswitchError
from farswitch.links.ownership import owns
from farswitch.links.wanted_server import WantedServer
from farswitch.lock.reserved import Reserved
from farswitch.model.machines import Server

OWN_RESERVE = 256
"""MiB of RAM that a hypervisor keeps for itself beside its guests."""


@dataclass(frozen=True, slots=True)
class ServerProbe:
    """What `preflight.sh` printed of a server; memory and disk in free MiB."""

    uid: int
    memory: int
    disk: int
    kvm: bool
    missing: tuple[str, ...]
    kernel: tuple[str, ...]


def parse(text: str) -> ServerProbe:
    """Read what `preflight.sh` printed."""
    pairs = [line.split(None, 1) for line in text.splitlines() if " " in line]
    single = {pair[0]: pair[1].strip() for pair in pairs}
    return ServerProbe(
        uid=int(single["uid"]),
        memory=int(single["memory"]),
        disk=int(single["disk"]),
        kvm="kvm" in single,
        missing=tuple(value for name, value in pairs if name == "missing"),
        kernel=tuple(value for name, value in pairs if name == "kernel"),
    )


def able(server: Server, probe: ServerProbe) -> Iterator[str]:
    """Yield one sentence for everything that a server lacks for any work on it."""
    if probe.uid != 0:
        yield f"The login on '{server.name}' is not privileged: uid {probe.uid}, wanted 0."
    if probe.missing:
        yield f"Programs are missing on '{server.name}': {', '.join(probe.missing)}."
    if probe.kernel:
        yield f"The kernel of '{server.name}' makes no {' and no '.join(probe.kernel)} interfaces."


def judge(
    want: WantedServer,
    probe: ServerProbe,
    links: Sequence[Link],
    reserved: Mapping[str, Reserved | FarswitchError | None],
) -> Iterator[str]:
    """Yield one sentence for everything that stands against a build on this server.

    `reserved` is what each cluster reserves that has its record there; for a record that cannot be
    read, the reason.
    """
    yield from able(want.server, probe)
    yield from _taken(want, links)
    if want.server.role == "hypervisor":
        yield from _neighbours(want, reserved)
        yield from _room(want, probe, {link.name for link in links})


def link_clashes(want: WantedServer, links: Sequence[Link]) -> Iterator[str]:
    """Yield the interfaces that have the name of one of ours and are not of this cluster."""
    for link in links:
        if link.name in want.links and not owns(want.owner, link):
            yield (
                f"'{want.server.name}' already has an interface '{link.name}', which is not of "
                f"cluster '{want.owner.cluster}'."
            )


def route_clashes(want: WantedServer, routes: Sequence[tuple[IPv4Network, str]]) -> Iterator[str]:
    """Yield the routes of a server that lead into one of the cluster's networks.

    A wider route, such as a company's 10.0.0.0/8, is no clash: ours is the more specific one.
    Each of `routes` has a destination and a device; default ones are not among them. On the switch
    nothing of the cluster has an address.
    """
    if want.server.role == "switch":
        return
    for destination, device in routes:
        for name, network in want.networks.items():
            if device != want.own_device and destination.subnet_of(network):
                yield (
                    f"'{want.server.name}' has a route to {destination} over '{device}', which is "
                    f"part of {name} {network}."
                )


def domain_clashes(want: WantedServer, domains: Sequence[DomainState]) -> Iterator[str]:
    """Yield the domains that have the name of one of our guests and not its mark."""
    names = {guest.domain: guest.name for guest in want.guests}
    for domain in domains:
        mark = (domain.cluster, domain.guest)
        if domain.name in names and mark != (want.owner.cluster, names[domain.name]):
            yield f"Domain '{domain.name}' on '{want.server.name}' exists without our mark."


def _neighbours(
    want: WantedServer, reserved: Mapping[str, Reserved | FarswitchError | None]
) -> Iterator[str]:
    """Yield what clusters that stand here have too, also while nothing of theirs is up."""
    for name, theirs in reserved.items():
        if isinstance(theirs, FarswitchError):
            yield f"{theirs} {theirs.hint}"
        elif theirs and name != want.owner.cluster:
            for what in want.reserved.shared_with(theirs):
                yield f"Cluster '{name}', which stands on '{want.server.name}', has {what} too."


def _room(want: WantedServer, probe: ServerProbe, present: set[str]) -> Iterator[str]:
    """Compare what is free with what the guests need that do not run yet."""
    new = [guest.settings.memory for guest in want.guests if guest.data_tap not in present]
    needed = sum(new) + OWN_RESERVE
    if new and probe.memory < needed:
        yield (
            f"'{want.server.name}' has {probe.memory} MiB of free memory, wanted {needed} for "
            f"{len(new)} more guests of {new[0]} MiB."
        )
    if new and probe.disk < 1024:  # noqa: PLR2004 - MiB, for the image and the start of the overlays
        yield f"'{want.server.name}' has {probe.disk} MiB of free disk, wanted at least 1024."


def _taken(want: WantedServer, links: Sequence[Link]) -> Iterator[str]:
    """Yield what somebody else already uses: subnets and VNIs."""
    for link in links:
        if owns(want.owner, link):
            continue
        for address in link.addresses:
            for name, network in want.networks.items():
                if isinstance(address.network, IPv4Network) and network.overlaps(address.network):
                    yield (
                        f"'{want.server.name}' already uses {address.network} on '{link.name}', "
                        f"which overlaps {name} {network}."
                    )
        if link.vxlan is not None and link.vxlan.vni in want.vnis:
            yield (
                f"'{want.server.name}' already has VNI {link.vxlan.vni} on '{link.name}', which is "
                f"one of this cluster's {min(want.vnis)} to {max(want.vnis)}."
            )

"""What stands against a build on a server: pure judgements over what it was asked.

Those of `link_clashes` and `domain_clashes` are objects of somebody else under names of ours; the
others say that the site and the server do not fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

from farswitch.connections.libvirt.domains import DomainState
from farswitch.connections.netlink.links import Link
from farswitch.connections.netlink.routes import Capture
from farswitch.errors import FOREIGN_HINT, FarswitchError, Obstacle
from farswitch.links.ownership import owns
from farswitch.links.wanted_server import WantedServer
from farswitch.lock.reserved import Reserved
from farswitch.model.machines import Server

OWN_RESERVE = 256
"""MiB of RAM that a hypervisor keeps for itself beside its guests."""
OTHER_NETWORK = "Choose another '{name}' in the site."


@dataclass(frozen=True, slots=True)
class ServerProbe:
    """What `preflight.sh` printed of a server; memory and disk in free MiB."""

    uid: int
    memory: int
    disk: int
    kvm: bool


def parse(text: str) -> ServerProbe:
    """Read what `preflight.sh` printed."""
    single = {word: value.strip() for word, _, value in map(_parted, text.splitlines())}
    return ServerProbe(
        uid=int(single["uid"]),
        memory=int(single["memory"]),
        disk=int(single["disk"]),
        kvm="kvm" in single,
    )


def _parted(line: str) -> tuple[str, str, str]:
    return line.partition(" ")


def able(server: Server, probe: ServerProbe) -> Iterator[Obstacle]:
    """Yield that the login may not do any work on a server."""
    if probe.uid != 0:
        yield Obstacle(
            f"The login on '{server.name}' is not privileged: uid {probe.uid}, wanted 0.",
            "Log in as root, or as a user who may use sudo without a password.",
        )


def judge(
    want: WantedServer,
    probe: ServerProbe,
    links: Sequence[Link],
    reserved: Mapping[str, Reserved | FarswitchError | None],
) -> Iterator[Obstacle]:
    """Yield what of the site does not fit to what is on this server.

    `reserved` is what each cluster reserves that has its record there; for a record that cannot be
    read, the reason.
    """
    yield from _taken(want, links)
    if want.server.role == "hypervisor":
        yield from _neighbours(want, reserved)
        yield from _room(want, probe, {link.name for link in links})


def link_clashes(want: WantedServer, links: Sequence[Link]) -> Iterator[Obstacle]:
    """Yield the interfaces that have the name of one of ours and are not of this cluster.

    An altname is as good as a name: the kernel gives none of them twice.
    """
    for link in links:
        taken = sorted(want.links.intersection((link.name, *link.altnames)))
        if taken and not owns(want.owner, link):
            also = f" (altname of '{link.name}')" * (taken[0] != link.name)
            yield Obstacle(
                f"'{want.server.name}' already has an interface '{taken[0]}'{also}, which is not "
                f"of cluster '{want.owner.cluster}'.",
                FOREIGN_HINT,
                foreign=True,
            )


def route_clashes(
    want: WantedServer, routes: Sequence[tuple[IPv4Network, str]]
) -> Iterator[Obstacle]:
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
                yield Obstacle(
                    f"'{want.server.name}' has a route to {destination} over '{device}', which is "
                    f"part of {name} {network}.",
                    OTHER_NETWORK.format(name=name),
                )


def captured_network(
    want: WantedServer, capture: Capture | None, names: Mapping[int, str]
) -> Iterator[Obstacle]:
    """Yield that a rule takes the guests' management addresses away, as those of VPNs do.

    `capture` is of these addresses. A route into the network itself, which the bridge will have, is
    in table main, and so asked for too late.
    """
    device = names.get(capture.device, "") if capture and capture.device else ""
    if capture and device != want.own_device:
        way = f"over '{device}'" if device else "which refuses it"
        name = "management_network"
        network = want.networks[name]
        yield Obstacle(
            f"'{want.server.name}' has a rule of priority {capture.priority} that leads to {name} "
            f"{network} by table {capture.table}, {way}, before table main is asked.",
            f"On '{want.server.name}': ip rule add to {network} lookup main pref "
            f"{max(1, capture.priority - 1)}; or choose another '{name}' in the site.",
        )


def domain_clashes(want: WantedServer, domains: Sequence[DomainState]) -> Iterator[Obstacle]:
    """Yield the domains that have the name of one of our guests and not its mark."""
    names = {guest.domain: guest.name for guest in want.guests}
    for domain in domains:
        mark = (domain.cluster, domain.guest)
        if domain.name in names and mark != (want.owner.cluster, names[domain.name]):
            yield Obstacle(
                f"Domain '{domain.name}' on '{want.server.name}' exists without our mark.",
                FOREIGN_HINT,
                foreign=True,
            )


def _neighbours(
    want: WantedServer, reserved: Mapping[str, Reserved | FarswitchError | None]
) -> Iterator[Obstacle]:
    """Yield what clusters that stand here have too, also while nothing of theirs is up."""
    for name, theirs in reserved.items():
        if isinstance(theirs, FarswitchError):
            yield Obstacle(str(theirs), theirs.hint)
        elif theirs and name != want.owner.cluster:
            for what in want.reserved.shared_with(theirs):
                yield Obstacle(
                    f"Cluster '{name}', which stands on '{want.server.name}', has {what} too.",
                    "Choose another vni_base, data_network or management_network in the site.",
                )


def _room(want: WantedServer, probe: ServerProbe, present: set[str]) -> Iterator[Obstacle]:
    """Compare what is free with what the guests need that do not run yet."""
    new = [guest.settings.memory for guest in want.guests if guest.data_tap not in present]
    needed = sum(new) + OWN_RESERVE
    if new and probe.memory < needed:
        yield Obstacle(
            f"'{want.server.name}' has {probe.memory} MiB of free memory, wanted {needed} for "
            f"{len(new)} more guests of {new[0]} MiB.",
            "Take fewer guests (--nodes) or a smaller 'memory' in the site, or free some there.",
        )
    if new and probe.disk < 1024:  # noqa: PLR2004 - MiB, for the image and the start of the overlays
        yield Obstacle(
            f"'{want.server.name}' has {probe.disk} MiB of free disk, wanted at least 1024.",
            f"Free some there, or choose another 'pool_path' in the site than {want.pool_path}.",
        )


def _taken(want: WantedServer, links: Sequence[Link]) -> Iterator[Obstacle]:
    """Yield what somebody else already uses: subnets and VNIs."""
    for link in links:
        if owns(want.owner, link):
            continue
        for address in link.addresses:
            for name, network in want.networks.items():
                if isinstance(address.network, IPv4Network) and network.overlaps(address.network):
                    yield Obstacle(
                        f"'{want.server.name}' already uses {address.network} on '{link.name}', "
                        f"which overlaps {name} {network}.",
                        OTHER_NETWORK.format(name=name),
                    )
        tunnel = link.vxlan
        if tunnel and tunnel.port == want.udp_port and tunnel.vni in want.vnis:
            yield Obstacle(
                f"'{want.server.name}' already has VNI {tunnel.vni} on '{link.name}', which is "
                f"one of this cluster's {min(want.vnis)} to {max(want.vnis)}.",
                "Choose another 'vni_base' in the site.",
            )

"""All hops of a guest's packet: what each has, what it carries, and which one is the narrowest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from farswitch.connections.netlink.links import Link
from farswitch.links.underlay import Underlay
from farswitch.model.cluster import Cluster
from farswitch.model.machines import DATA_NIC, Guest, Server
from farswitch.proof.check import Check

Command = Callable[[str, Sequence[str]], str]
"""Returns the line that runs a program as root on a host, see `Context.command`."""


@dataclass(frozen=True, slots=True)
class ServerState:
    """What one server has: its interfaces by name, and its side of the underlay.

    `learned`: a router on the way announced the MTU of a route of it.
    """

    links: Mapping[str, Link]
    underlay: Underlay
    learned: bool = False

    @property
    def device_mtu(self) -> int:
        """The underlay device's own; a route may have a smaller one."""
        return self.links[self.underlay.device].mtu


@dataclass(frozen=True, slots=True)
class Hop:
    """A place that a guest's packet comes through; `name` of an interface, empty for a path.

    `found` is its MTU, None where there is none; `carries` the largest packet of a guest that
    passes. An underlay may be `larger` than wanted. `guest` is whose packets come through, None
    for everybody's.
    """

    host: str
    name: str
    what: str
    wanted: int
    found: int | None
    guest: str | None = None
    overhead: int = 0
    larger: bool = False
    cause: str = ""
    fix: str = ""

    @property
    def carries(self) -> int:
        return max(0, (self.found or 0) - self.overhead)

    @property
    def good(self) -> bool:
        found = self.found
        return found is not None and (found == self.wanted or (self.larger and found > self.wanted))


def of_guest(guest: Guest, found: int | None, mtu: int, rebuild: str) -> Hop:
    """Return the hop that is the guest's own NIC."""
    return Hop(guest.name, DATA_NIC, f"NIC '{DATA_NIC}'", mtu, found, guest.name, fix=rebuild)


def of_server(
    cluster: Cluster, server: Server, state: ServerState, mtu: int, fixes: tuple[str, Command]
) -> Iterator[Hop]:
    """Yield the hops on one server, in the order in which a packet of a guest meets them.

    Args:
        cluster: The cluster.
        server: One of its servers.
        state: What the server has.
        mtu: Of the data network, in bytes of IP packet, as it was built.
        fixes: The command of the build, which mends the interfaces that are ours, and `Command`.
    """
    rebuild, command = fixes
    for name, what, guest in _ours(cluster, server):
        link = state.links.get(name)
        yield Hop(server.name, name, what, mtu, link.mtu if link else None, guest, fix=rebuild)
    under = state.underlay
    wanted = mtu + under.overhead
    yield Hop(
        server.name, under.device, f"underlay device '{under.device}'", wanted, state.device_mtu,
        overhead=under.overhead, larger=True,
        cause="A network manager or a person set it after the build.",
        fix=command(server.name, _set_mtu(under.device, wanted)),
    )  # fmt: skip
    if under.mtu < min(wanted, state.device_mtu):
        argv = ["ip", "route", "flush", "cache"]
        yield Hop(
            server.name, "route", f"route of the underlay from {under.source}", wanted, under.mtu,
            overhead=under.overhead, larger=True,
            cause="A router on the way announced it (ICMP)." if state.learned
            else "The route was given an 'mtu' of its own.",
            fix=command(server.name, argv) if state.learned
            else f"Take 'mtu' off the route from {under.source}, or give it at least {wanted}.",
        )  # fmt: skip


def _set_mtu(device: str, mtu: int) -> list[str]:
    return ["ip", "link", "set", "dev", device, "mtu", str(mtu)]


def _ours(cluster: Cluster, server: Server) -> Iterator[tuple[str, str, str | None]]:
    if server.role == "switch":
        for guest in cluster.guests:
            for what, name in cluster.way_to_switch(guest).items():
                yield name, f"switch {what} '{name}' of '{guest.name}'", guest.name
        if cluster.attachment == "bridge":
            yield cluster.switch_bridge, f"switch bridge '{cluster.switch_bridge}'", None
        return
    for guest in cluster.guests_of(server.name):
        yield guest.data_tap, f"tap '{guest.data_tap}' of '{guest.name}'", guest.name
        yield guest.bridge, f"bridge '{guest.bridge}' of '{guest.name}'", guest.name
        yield guest.tunnel, f"tunnel '{guest.tunnel}' of '{guest.name}'", guest.name


def path(sender: ServerState, receiver: ServerState, largest: int | None, mtu: int) -> Hop:
    """Return the hop between two servers.

    A device that is too small bounds what is measured: the path is not blamed for it.

    Args:
        sender: Where the packets came from.
        receiver: Where they were awaited.
        largest: The largest packet that arrived without fragments, None: not one did.
        mtu: Of the data network, as it was built.
    """
    here, there = sender.underlay, receiver.underlay
    wanted = mtu + here.overhead
    ends = min(wanted, sender.device_mtu, receiver.device_mtu)
    found = None if largest is None else wanted if largest >= ends else largest
    between = f"'{here.server}' and '{there.server}'"
    fix = f"Set an MTU of at least {wanted} on every switch and router between {between}"
    if found is not None:
        fix += f", or build with 'mtu: {found - here.overhead}'"
    return Hop(
        here.server, "", f"path to '{there.server}'", wanted, found, overhead=here.overhead,
        larger=True, cause=f"A device between {between} has a smaller MTU.", fix=f"{fix}.",
    )  # fmt: skip


def without_build(hops: Sequence[Hop], command: Command) -> list[Hop]:
    """Mend hops one by one while the underlay is too small: a build would take its MTU for all."""
    if explain(hop for hop in hops if hop.overhead) is None:
        return list(hops)
    return [
        hop
        if hop.overhead or hop.found is None
        else replace(hop, fix=command(hop.host, _set_mtu(hop.name, hop.wanted)))
        for hop in hops
    ]


def judge(hops: Sequence[Hop]) -> list[Check]:
    """Return a verdict for each hop; those that fail name the narrowest of all."""
    narrowest = min(hops, key=lambda hop: hop.carries)
    return [
        Check(
            name="mtu.hops",
            host=hop.host,
            ok=hop.good,
            measured=_measured(hop),
            expected=f"{'at least ' if hop.larger else ''}MTU {hop.wanted}, "
            f"carries {hop.wanted - hop.overhead}",
            cause=" ".join(filter(None, (_effect(hop, narrowest), hop.cause))),
            fix=hop.fix,
        )
        for hop in hops
    ]


def explain(hops: Iterable[Hop]) -> Hop | None:
    """Return the narrowest of the hops that are too small."""
    small = [hop for hop in hops if hop.found is not None and hop.found < hop.wanted]
    return min(small, key=lambda hop: hop.carries, default=None)


def _measured(hop: Hop) -> str:
    if hop.found is None:
        return f"{hop.what}: {'nothing arrives' if not hop.name else 'not there'}"
    return f"{hop.what}: MTU {hop.found}, carries {hop.carries}"


def _effect(hop: Hop, narrowest: Hop) -> str:
    if hop.found is None:
        return ""
    if hop.found > hop.wanted:
        return "It lets packets in that a later hop drops."
    said = f"Packets of guests with more than {hop.carries} B do not pass here."
    if hop is narrowest:
        return f"{said} It is the narrowest of all hops: set it to {hop.wanted}."
    return f"{said} Set it to {hop.wanted}; narrower still: {narrowest.what} on '{narrowest.host}'."

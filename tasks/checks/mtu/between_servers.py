"""What gets through between the servers: by the underlay, and by each tunnel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

from nornir.core.task import Task

from farswitch.connections.netlink.links import Session, dump
from farswitch.connections.netlink.routes import route_to
from farswitch.links.underlay import ends, judge, peers
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Server
from farswitch.proof.check import Check
from farswitch.proof.context import Context
from farswitch.proof.packet_agent import listen
from farswitch.proof.path_mtu import (
    OFFSETS,
    SMALL,
    Agents,
    PacketPath,
    PathMtu,
    packet_agents,
    search,
    try_sizes,
    underlay_path,
)
from tasks.checks.mtu import hops as mtu_hops
from tasks.checks.mtu.hops import Hop, ServerState
from tasks.checks.mtu.judge import Direction, judge_reach, judge_tunnels, judge_underlay
from tasks.checks.mtu.tunnel_paths import between, guests_on, tunnel

SECONDS = 25
"""How long the measuring may take in all; a healthy one takes a second."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What the servers have, and what goes from one to another."""

    states: Mapping[str, ServerState]
    directions: Sequence[Direction]

    def hops(self, context: Context) -> list[Hop]:
        """Return the hops on and between the servers."""
        fixes = (context.rebuild, context.command)
        found: list[Hop] = []
        for server in context.cluster.servers:
            state = self.states[server.name]
            found += mtu_hops.of_server(context.cluster, server, state, context.mtu, fixes)
        return [
            *found,
            *(
                mtu_hops.path(one.here, one.there, one.largest, context.mtu)
                for one in self.directions
            ),
        ]

    def judge(self, context: Context, hops: Sequence[Hop]) -> Iterator[Check]:
        """Yield the verdicts on each direction; `hops` are all, those of the guests too."""
        for direction in self.directions:
            yield judge_underlay(direction, hops, context.mtu)
            yield from judge_tunnels(direction, hops, context.mtu, context.rebuild)
            yield judge_reach(direction, context.rebuild)


def observe(ipr: Session, cluster: Cluster, server: Server) -> ServerState:
    """Read the interfaces and the underlay of a server.

    Raises:
        FarswitchError: It has no way to a peer.
    """
    links = dump(ipr)
    routes = [
        (peer, route_to(ipr, peer.underlay, server.underlay)) for peer in peers(cluster, server)
    ]
    learned = any(route.learned for _, route in routes if route)
    return ServerState({link.name: link for link in links}, judge(server, links, routes), learned)


def survey(_task: Task, context: Context) -> Survey:
    """Send packets of the exact size between the servers and through each tunnel.

    What one server sends the other has to catch, so one task steers the agents of all.

    Raises:
        FarswitchError: A server cannot be asked, has no way to a peer, or its program ends.
    """
    states = {}
    for server in context.cluster.servers:
        with context.netlink(server.name).session() as ipr:
            states[server.name] = observe(ipr, context.cluster, server)
    with packet_agents(states, context.shell, SECONDS) as agents:
        results = measure(context, states, agents)
    _forget(context, states, results)
    return Survey(
        states, [direction(context, states, results, *pair) for pair in ends(context.cluster)]
    )


def measure(
    context: Context, states: Mapping[str, ServerState], agents: Agents
) -> dict[PacketPath, PathMtu]:
    """Try the exact size on every path; where it fails, find the largest that passes.

    Raises:
        FarswitchError: A server cannot catch packets, or its program ends.
    """
    for name, agent in agents.items():
        server = context.cluster.server(name)
        offset = OFFSETS[server.underlay.version]
        tunnels = {guest.tunnel: 0 for guest in guests_on(context, server)}
        wanted = {states[name].underlay.device: offset} | tunnels
        # A tunnel that is not there has a verdict of its own.
        listen(agent, name, {one: wanted[one] for one in wanted if one in states[name].links})
    sizes: dict[PacketPath, tuple[int, ...]] = {}
    for sender, receiver in ends(context.cluster):
        under = context.mtu + states[sender.name].underlay.overhead
        more = (under + 1,) if states[sender.name].device_mtu == under else ()
        device = states[receiver.name].underlay.device
        for kind in ("udp", "icmp"):
            path = underlay_path(context.cluster, device, kind, sender, receiver)
            sizes[path] = (SMALL, under, *more)
        for guest in between(context, sender, receiver):
            sizes[tunnel(context, guest, sender, receiver)] = (SMALL, context.mtu)
    results: dict[PacketPath, PathMtu] = {}
    try_sizes(agents, sizes, results)
    search(agents, results)
    return results


def _forget(
    context: Context, states: Mapping[str, ServerState], results: Mapping[PacketPath, PathMtu]
) -> None:
    """Take back what a router taught a server by its answers to our packets."""
    for name, state in states.items():
        sent = [
            mtu for path, mtu in results.items() if path.sender == name and path.kind != "frame"
        ]
        if not state.learned and any(mtu.passed and mtu.stopped - set(mtu.errors) for mtu in sent):
            family = "-4" if isinstance(state.underlay.source, IPv4Address) else "-6"
            context.shell(name).run(["ip", family, "route", "flush", "cache"])


def direction(
    context: Context,
    states: Mapping[str, ServerState],
    results: Mapping[PacketPath, PathMtu],
    sender: Server,
    receiver: Server,
) -> Direction:
    """Put together what went from one server to another."""
    device = states[receiver.name].underlay.device

    def over_underlay(kind: str) -> PathMtu:
        path = underlay_path(context.cluster, device, kind, sender, receiver)
        return results.get(path, PathMtu())

    return Direction(
        sender, receiver, states[sender.name], states[receiver.name],
        port=context.cluster.settings.udp_port,
        udp=over_underlay("udp"),
        icmp=over_underlay("icmp"),
        tunnels=[
            (guest, results.get(tunnel(context, guest, sender, receiver), PathMtu()))
            for guest in between(context, sender, receiver)
        ],
    )  # fmt: skip

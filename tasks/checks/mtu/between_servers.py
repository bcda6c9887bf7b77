"""What gets through between the servers: by the underlay, and by each tunnel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

from farswitch.connections.netlink.links import dump
from farswitch.connections.netlink.routes import route_to
from farswitch.links.underlay import ends, judge, peers
from farswitch.model.machines import Server
from farswitch.proof.check import Check
from farswitch.proof.fan_out import each_or_raise
from farswitch.proof.packet_agent import Station
from farswitch.proof.path_mtu import (
    OFFSETS,
    SMALL,
    Lane,
    Passage,
    Passages,
    plain,
    search,
    staffed,
    try_sizes,
)
from farswitch.proof.probe import Scene
from tasks.checks.mtu import hops as mtu_hops
from tasks.checks.mtu.hops import Ground, Hop
from tasks.checks.mtu.judge import Direction, judge_reach, judge_tunnels, judge_underlay
from tasks.checks.mtu.tunnel_paths import between, guests_on, tunnel

SECONDS = 25
"""How long the measuring may take in all; a healthy one takes a second."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What the servers have, and what goes from one to another."""

    grounds: Mapping[str, Ground]
    ways: Sequence[Direction]

    def hops(self, scene: Scene) -> list[Hop]:
        """Return the hops on and between the servers."""
        fixes = (scene.rebuild, scene.command)
        found: list[Hop] = []
        for server in scene.cluster.servers:
            here = self.grounds[server.name]
            found += mtu_hops.of_server(scene.cluster, server, here, scene.mtu, fixes)
        paths = (mtu_hops.path(way.here, way.there, way.largest, scene.mtu) for way in self.ways)
        return [*found, *paths]

    def judge(self, scene: Scene, hops: Sequence[Hop]) -> Iterator[Check]:
        """Yield the verdicts on each direction; `hops` are all, those of the guests too."""
        for way in self.ways:
            yield judge_underlay(way, hops, scene.mtu)
            yield from judge_tunnels(way, hops, scene.mtu, scene.rebuild)
            yield judge_reach(way, scene.rebuild)


def survey(scene: Scene) -> Survey:
    """Send packets of the exact size between the servers and through each tunnel.

    Raises:
        FarswitchError: A server cannot be asked, or has no way to a peer.
    """
    grounds = ground(scene)
    with staffed(grounds, scene.shell, SECONDS) as stations:
        known = measure(scene, grounds, stations)
    _forget(scene, grounds, known)
    return Survey(
        grounds, [direction(scene, grounds, known, *pair) for pair in ends(scene.cluster)]
    )


def ground(scene: Scene) -> dict[str, Ground]:
    """Read interfaces and underlay of each server.

    Raises:
        FarswitchError: A server cannot be asked, or has no way to a peer.
    """
    cluster = scene.cluster

    def call(name: str) -> Ground:
        server = cluster.server(name)
        with scene.netlink(name).session() as ipr:
            links = dump(ipr)
            ways = [(peer, route_to(ipr, peer.underlay)) for peer in peers(cluster, server)]
        learned = any(route.learned for _, route in ways if route)
        return Ground({link.name: link for link in links}, judge(server, links, ways), learned)

    return each_or_raise([server.name for server in cluster.servers], call)


def measure(
    scene: Scene, grounds: Mapping[str, Ground], stations: Mapping[str, Station]
) -> Passages:
    """Try the exact size on every lane; where it fails, find the largest that passes."""
    for name, station in stations.items():
        server = scene.cluster.server(name)
        offset = OFFSETS[server.underlay.version]
        tunnels = {guest.tunnel: 0 for guest in guests_on(scene, server)}
        station.listen({grounds[name].underlay.device: offset} | tunnels)
    wanted: dict[Lane, tuple[int, ...]] = {}
    for sender, receiver in ends(scene.cluster):
        under = scene.mtu + grounds[sender.name].underlay.overhead
        more = (under + 1,) if grounds[sender.name].device_mtu == under else ()
        device = grounds[receiver.name].underlay.device
        for kind in ("udp", "icmp"):
            wanted[plain(scene.cluster, device, kind, sender, receiver)] = (SMALL, under, *more)
        for guest in between(scene, sender, receiver):
            wanted[tunnel(scene, guest, sender, receiver)] = (SMALL, scene.mtu)
    known: Passages = {}
    try_sizes(stations, wanted, known)
    search(stations, known)
    return known


def _forget(scene: Scene, grounds: Mapping[str, Ground], known: Passages) -> None:
    """Take back what a router taught a server by its answers to our packets."""
    for name, here in grounds.items():
        ways = [way for lane, way in known.items() if lane.sender == name and lane.kind != "frame"]
        if not here.learned and any(way.passed and way.stopped - set(way.errors) for way in ways):
            family = "-4" if isinstance(here.underlay.source, IPv4Address) else "-6"
            scene.shell(name).run(["ip", family, "route", "flush", "cache"])


def direction(
    scene: Scene, grounds: Mapping[str, Ground], known: Passages, sender: Server, receiver: Server
) -> Direction:
    """Put together what went from one server to another."""
    device = grounds[receiver.name].underlay.device

    def of(lane: Lane) -> Passage:
        return known.get(lane, Passage())

    return Direction(
        sender, receiver, grounds[sender.name], grounds[receiver.name],
        port=scene.cluster.settings.udp_port,
        udp=of(plain(scene.cluster, device, "udp", sender, receiver)),
        icmp=of(plain(scene.cluster, device, "icmp", sender, receiver)),
        tunnels=[
            (guest, of(tunnel(scene, guest, sender, receiver)))
            for guest in between(scene, sender, receiver)
        ],
    )  # fmt: skip

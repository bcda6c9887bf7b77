"""What sizes pass between the servers, and is a hop of the data network too small?"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from ipaddress import IPv4Address

from nornir.core.task import Task

from connections.command import ConnectionLostError
from connections.links import dump
from connections.routes import route_to
from inventory.errors import FarswitchError
from inventory.model import Guest, Server
from tasks.check import Check, skipped
from tasks.checks import mtu_hops
from tasks.checks.mtu_hops import Ground, Hop
from tasks.checks.mtu_lanes import Direction, judge_reach, judge_tunnels, judge_underlay
from tasks.lanes import SMALL, Lane, Passage, Passages, search, try_sizes
from tasks.mtu import guest_mtu
from tasks.probe import Probe, Scene, each
from tasks.station import Station
from tasks.underlay import judge, peers

SECONDS = 25
"""How long the measuring may take in all; a healthy one takes a second."""
SERVER_MARK = 1 << 24
"""What a server's mark is counted from: above every VNI (24 bits, RFC 7348)."""
ALONE = "02:fa:ff:00:00:01"
"""The source of frames to the only guest of a cluster: no other guest has a MAC to lend."""


def run(_task: Task, scene: Scene) -> Iterator[Check]:
    """Send packets of the exact size between the servers and through each tunnel, then judge."""
    mtu, grounds = scene.mtu, ground(scene)
    with ExitStack() as stack:
        token = b"F" + secrets.token_bytes(3)  # as VXLAN it has no valid VNI: none takes it in
        opened = each(grounds, lambda name: Station(scene.shell(name), token, SECONDS))
        stations = {
            name: stack.enter_context(station)
            for name, station in opened.items()
            if isinstance(station, Station)
        }
        for station in opened.values():
            if isinstance(station, FarswitchError):
                raise station
        known = measure(scene, grounds, stations)
    ways = [direction(scene, grounds, known, *ends) for ends in _ends(scene)]
    hops, lost = all_hops(scene, grounds, ways)
    yield from mtu_hops.judge(hops)
    yield from lost
    for way in ways:
        yield judge_underlay(way, hops, mtu)
        yield from judge_tunnels(way, hops, mtu, scene.rebuild)
        yield judge_reach(way, scene.rebuild)


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
        return Ground({link.name: link for link in links}, judge(server, links, ways))

    found: dict[str, Ground] = {}
    for name, one in each([server.name for server in cluster.servers], call).items():
        if isinstance(one, FarswitchError):
            raise one
        found[name] = one
    return found


def measure(
    scene: Scene, grounds: Mapping[str, Ground], stations: Mapping[str, Station]
) -> Passages:
    """Try the exact size on every lane; where it fails, find the largest that passes."""
    for name, station in stations.items():
        server = scene.cluster.server(name)
        offset = 28 if isinstance(server.underlay, IPv4Address) else 48
        tunnels = {guest.tunnel: 0 for guest in _guests(scene, server)}
        station.listen({grounds[name].underlay.device: offset} | tunnels)
    wanted: dict[Lane, tuple[int, ...]] = {}
    for sender, receiver in _ends(scene):
        under = scene.mtu + grounds[sender.name].underlay.overhead
        more = (under + 1,) if grounds[sender.name].device_mtu == under else ()
        for kind in ("udp", "icmp"):
            wanted[_plain(scene, grounds, kind, sender, receiver)] = (SMALL, under, *more)
        for guest in _between(scene, sender, receiver):
            wanted[_tunnel(scene, guest, sender, receiver)] = (SMALL, scene.mtu)
    known: Passages = {}
    try_sizes(stations, wanted, known)
    search(stations, known)
    return known


def direction(
    scene: Scene, grounds: Mapping[str, Ground], known: Passages, sender: Server, receiver: Server
) -> Direction:
    """Put together what went from one server to another."""

    def of(lane: Lane) -> Passage:
        return known.get(lane, Passage())

    return Direction(
        sender, receiver, grounds[sender.name], grounds[receiver.name],
        port=scene.cluster.settings.udp_port,
        udp=of(_plain(scene, grounds, "udp", sender, receiver)),
        icmp=of(_plain(scene, grounds, "icmp", sender, receiver)),
        tunnels=[
            (guest, of(_tunnel(scene, guest, sender, receiver)))
            for guest in _between(scene, sender, receiver)
        ],
    )  # fmt: skip


def all_hops(
    scene: Scene, grounds: Mapping[str, Ground], ways: list[Direction]
) -> tuple[list[Hop], list[Check]]:
    """Return all hops in a packet's order, and a check for each guest that cannot be asked."""
    cluster, hops, lost = scene.cluster, list[Hop](), list[Check]()
    found = each([guest.name for guest in scene.there()], lambda name: guest_mtu(scene.shell(name)))
    for guest in cluster.guests:
        answer = found.get(guest.name)
        if answer is None:
            lost.append(skipped("mtu.hops", guest.name, "it cannot be logged in to"))
        elif isinstance(answer, FarswitchError):
            if isinstance(answer, ConnectionLostError):
                scene.findings.lose(guest.name, answer.cause)
            lost.append(Check("mtu.hops", guest.name, ok=False, measured=f"not probed: {answer}",
                              expected=f"MTU {scene.mtu}", fix=answer.hint))  # fmt: skip
        else:
            hops.append(mtu_hops.of_guest(guest, answer, scene.mtu, scene.rebuild))
    for server in cluster.servers:
        hops += mtu_hops.of_server(
            cluster, server, grounds[server.name], scene.mtu, (scene.rebuild, scene.command)
        )
    hops += [mtu_hops.path(way.here, way.there, way.largest, scene.mtu) for way in ways]
    return hops, lost


def _ends(scene: Scene) -> list[tuple[Server, Server]]:
    switch = scene.cluster.switch
    return [
        ends
        for server in scene.cluster.hypervisors
        for ends in ((server, switch), (switch, server))
    ]


def _guests(scene: Scene, server: Server) -> tuple[Guest, ...]:
    cluster = scene.cluster
    return cluster.guests if server.role == "switch" else cluster.guests_of(server.name)


def _between(scene: Scene, sender: Server, receiver: Server) -> tuple[Guest, ...]:
    hypervisor = sender if receiver.role == "switch" else receiver
    return scene.cluster.guests_of(hypervisor.name)


def _plain(
    scene: Scene, grounds: Mapping[str, Ground], kind: str, sender: Server, receiver: Server
) -> Lane:
    return Lane(
        sender.name, receiver.name, grounds[receiver.name].underlay.device, kind,
        SERVER_MARK + scene.cluster.servers.index(sender), str(receiver.underlay),
        scene.cluster.settings.udp_port, str(sender.underlay),
    )  # fmt: skip


def _tunnel(scene: Scene, guest: Guest, sender: Server, receiver: Server) -> Lane:
    """Return the lane of a guest's tunnel; its frames come from a MAC that belongs to that side."""
    guests = scene.cluster.guests
    other = guests[guest.index % len(guests)]
    source = guest.data_mac if receiver.role == "switch" else other.data_mac
    if other is guest and receiver.role != "switch":
        source = ALONE
    return Lane(
        sender.name, receiver.name, guest.tunnel, "frame", guest.vni, guest.tunnel, 0, source
    )


PROBE = Probe(
    "switch",
    {
        "mtu.hops": "Every hop has the MTU of the build, the underlay what it needs.",
        "mtu.underlay": "A packet of the exact size passes between the servers with DF.",
        "mtu.tunnel": "A frame of exactly the tunnel's MTU comes out at its other end.",
        "reach.tunnel": "The tunnels' UDP port is open between the servers, both ways.",
    },
    run,
    rank=40,
)

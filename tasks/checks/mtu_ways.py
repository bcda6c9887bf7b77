"""The ways between the servers that are tried: the underlay's own, and each guest's tunnel."""

from __future__ import annotations

from collections.abc import Mapping

from inventory.model import Guest, Server
from tasks.checks.mtu_hops import Ground
from tasks.lanes import Lane
from tasks.probe import Scene

SERVER_MARK = 1 << 24
"""What a server's mark is counted from: above every VNI (24 bits, RFC 7348)."""
ALONE = "02:fa:ff:00:00:01"
"""The source of frames to the only guest of a cluster: no other guest has a MAC to lend."""


def ends(scene: Scene) -> list[tuple[Server, Server]]:
    """Return every ordered pair of servers that tunnels go between."""
    switch = scene.cluster.switch
    return [
        pair
        for server in scene.cluster.hypervisors
        for pair in ((server, switch), (switch, server))
    ]


def guests_on(scene: Scene, server: Server) -> tuple[Guest, ...]:
    """Return the guests whose tunnels end on a server."""
    cluster = scene.cluster
    return cluster.guests if server.role == "switch" else cluster.guests_of(server.name)


def between(scene: Scene, sender: Server, receiver: Server) -> tuple[Guest, ...]:
    """Return the guests whose tunnels go between two servers."""
    hypervisor = sender if receiver.role == "switch" else receiver
    return scene.cluster.guests_of(hypervisor.name)


def plain(
    scene: Scene, grounds: Mapping[str, Ground], kind: str, sender: Server, receiver: Server
) -> Lane:
    """Return the lane of the underlay itself; `kind` is `udp`, to the tunnels' port, or `icmp`."""
    return Lane(
        sender.name, receiver.name, grounds[receiver.name].underlay.device, kind,
        SERVER_MARK + scene.cluster.servers.index(sender), str(receiver.underlay),
        scene.cluster.settings.udp_port, str(sender.underlay),
    )  # fmt: skip


def tunnel(scene: Scene, guest: Guest, sender: Server, receiver: Server) -> Lane:
    """Return the lane of a guest's tunnel; its frames come from a MAC that belongs to that side."""
    guests = scene.cluster.guests
    other = guests[guest.index % len(guests)]
    source = guest.data_mac if receiver.role == "switch" else other.data_mac
    if other is guest and receiver.role != "switch":
        source = ALONE
    return Lane(
        sender.name, receiver.name, guest.tunnel, "frame", guest.vni, guest.tunnel, 0, source
    )

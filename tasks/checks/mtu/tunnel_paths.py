"""The paths between the servers that are tried: each guest's tunnel."""

from __future__ import annotations

from farswitch.model.machines import Guest, Server
from farswitch.proof.context import Context
from farswitch.proof.path_mtu import PacketPath

ALONE = "02:fa:ff:00:00:01"
"""The source of frames to the only guest of a cluster: no other guest has a MAC to lend."""


def guests_on(context: Context, server: Server) -> tuple[Guest, ...]:
    """Return the guests whose tunnels end on a server."""
    cluster = context.cluster
    return cluster.guests if server.role == "switch" else cluster.guests_of(server.name)


def between(context: Context, sender: Server, receiver: Server) -> tuple[Guest, ...]:
    """Return the guests whose tunnels go between two servers."""
    hypervisor = sender if receiver.role == "switch" else receiver
    return context.cluster.guests_of(hypervisor.name)


def tunnel(context: Context, guest: Guest, sender: Server, receiver: Server) -> PacketPath:
    """Return the path of a guest's tunnel; its frames come from a MAC that belongs to that side."""
    guests = context.cluster.guests
    other = guests[guest.index % len(guests)]
    source = guest.data_mac if receiver.role == "switch" else other.data_mac
    if other is guest and receiver.role != "switch":
        source = ALONE
    return PacketPath(
        sender.name, receiver.name, guest.tunnel, "frame", guest.vni, guest.tunnel, 0, source
    )

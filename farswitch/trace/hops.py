"""The way of a frame from one guest to another, hop by hop, and how many passed each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from farswitch.model.cluster import Cluster
from farswitch.model.machines import DATA_NIC, Guest
from farswitch.proof.frame_counts import CountedFrames
from farswitch.trace.frame import TracedFrames

Way = Literal["in", "out", "through"]
"""How a frame passes an interface; a bridge forwards it `through`."""


@dataclass(frozen=True, slots=True)
class TraceHop:
    """One interface that a frame passes.

    Attributes:
        what: "NIC", "tap", "bridge", "tunnel", "underlay", "port", "port bridge", "near end",
            "far end" or "switch".
        vni: Of the tunnel that the frame is within there; None where it is as its guest sent it.
        count: How many frames passed; of a bridge those that left it for the next hop, as it counts
            nothing itself. None where nobody could count.
    """

    host: str
    what: str
    name: str
    way: Way
    vni: int | None = None
    count: int | None = None

    def __str__(self) -> str:
        return f"{self.what} '{self.name}' of '{self.host}'"


@dataclass(frozen=True, slots=True)
class Trace:
    """What was sent, and how much of it passed each hop.

    Attributes:
        way: The counted hops.
        error: Why not all could be sent.
        deaf: Why the receiver could not count.
    """

    frames: TracedFrames
    way: tuple[TraceHop, ...]
    error: str = ""
    deaf: str = ""


def hops(
    cluster: Cluster, sender: Guest, receiver: Guest, devices: Mapping[str, str]
) -> tuple[TraceHop, ...]:
    """Return the hops in the order in which a frame passes them, not counted yet.

    `devices` are the underlay's, by server.
    """
    near, far, switch = sender.hypervisor, receiver.hypervisor, cluster.switch.name
    middle = devices[switch]
    return (
        TraceHop(sender.name, "NIC", DATA_NIC, "out"),
        TraceHop(near, "tap", sender.data_tap, "in"),
        TraceHop(near, "bridge", sender.bridge, "through"),
        TraceHop(near, "tunnel", sender.tunnel, "out"),
        TraceHop(near, "underlay", devices[near], "out", sender.vni),
        TraceHop(switch, "underlay", middle, "in", sender.vni),
        *_to_switch(cluster, sender, ("in", "through", "out", "in")),
        TraceHop(switch, "switch", cluster.switch_name, "through"),
        *reversed(_to_switch(cluster, receiver, ("out", "through", "in", "out"))),
        TraceHop(switch, "underlay", middle, "out", receiver.vni),
        TraceHop(far, "underlay", devices[far], "in", receiver.vni),
        TraceHop(far, "tunnel", receiver.tunnel, "in"),
        TraceHop(far, "bridge", receiver.bridge, "through"),
        TraceHop(far, "tap", receiver.data_tap, "out"),
        TraceHop(receiver.name, "NIC", DATA_NIC, "in"),
    )


def _to_switch(cluster: Cluster, guest: Guest, ways: Sequence[Way]) -> list[TraceHop]:
    """Return a guest's hops on the switch server, from its tunnel to the switch."""
    links = cluster.way_to_switch(guest).items()
    server = cluster.switch.name
    return [
        TraceHop(server, what, name, way) for (what, name), way in zip(links, ways, strict=False)
    ]


def counted(way: Iterable[TraceHop], found: CountedFrames) -> tuple[TraceHop, ...]:
    """Return the hops with what the sender sent and the listeners counted at each."""
    sender, *later = way
    sent, _ = found.sent[sender.host].streams[0]
    hops = [replace(sender, count=sent), *(replace(hop, count=_at(hop, found)) for hop in later)]
    for at, hop in enumerate(hops):
        if hop.way == "through":
            hops[at] = replace(hop, count=hops[at + 1].count)
    return tuple(hops)


def _at(hop: TraceHop, found: CountedFrames) -> int | None:
    if hop.host in found.deaf:
        return None
    return sum(
        int(one.bits, 16).bit_count()
        for one in found.heard[hop.host].frames
        if (one.interface, one.way, one.vni) == (hop.name, hop.way, hop.vni)
    )

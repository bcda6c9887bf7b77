"""The way of one guest's frames, hop by hop, from its NIC to the switch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from farswitch.connections.netlink.links import Link, Traffic
from farswitch.links.underlay import Underlay
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest
from farswitch.status.guests import MISSING, UNKNOWN, UP
from farswitch.status.observed import ServerLook

Counts = Literal["as seen", "turned", "none"]
"""What an interface's counters tell: it receives from the guest, it sends what the guest sent, or
nothing: a bridge counts only what is for its server."""


COUNTS: Mapping[str, Counts] = {
    "port": "as seen", "port bridge": "none", "near end": "turned", "far end": "as seen",
}  # fmt: skip
"""Of what a frame passes on the switch server."""


@dataclass(frozen=True, slots=True)
class PathHop:
    """One interface that a guest's frames pass.

    Attributes:
        what: "tap", "bridge", "tunnel", "underlay", "port", "port bridge", "near end", "far end" or
            "switch".
        state: "up", "down", "missing" or "unknown".
        mtu: In bytes.
        shared: Whether frames of others are counted too.
        traffic: Received: what came from the guest; sent: what went to it.
        at: When that was counted, in seconds of the controller's monotonic clock.
    """

    server: str
    what: str
    name: str
    state: str
    mtu: int | None
    shared: bool
    traffic: Traffic | None
    at: float | None


def hops(cluster: Cluster, guest: Guest, looks: Mapping[str, ServerLook]) -> Iterator[PathHop]:
    """Yield each hop in the order in which a frame of the guest's passes them."""
    hypervisor, switch = guest.hypervisor, cluster.switch.name
    below = {
        name: look.underlay.device
        for name, look in looks.items()
        if isinstance(look.underlay, Underlay)
    }
    way: tuple[tuple[str, str, str, Counts], ...] = (
        (hypervisor, "tap", guest.data_tap, "as seen"),
        (hypervisor, "bridge", guest.bridge, "none"),
        (hypervisor, "tunnel", guest.tunnel, "turned"),
        (hypervisor, "underlay", below.get(hypervisor, "?"), "turned"),
        (switch, "underlay", below.get(switch, "?"), "as seen"),
        *(
            (switch, what, name, COUNTS[what])
            for what, name in cluster.way_to_switch(guest).items()
        ),
        (switch, "switch", cluster.switch_name, "none"),
    )
    for server, what, name, counts in way:
        look = looks.get(server)
        link = look.link(name) if look else None
        state = _state(link) if look else UNKNOWN
        if what == "switch" and look and look.switch:
            state = "down" if look.switch.fault else UP
        yield PathHop(
            server=server,
            what=what,
            name=name,
            state=state,
            mtu=link.mtu if link else None,
            shared=what == "underlay",
            traffic=_traffic(link, counts),
            at=look.at if look else None,
        )


def _state(link: Link | None) -> str:
    if link is None:
        return MISSING
    return UP if link.up and link.running else "down"


def _traffic(link: Link | None, counts: Counts) -> Traffic | None:
    if link is None or counts == "none":
        return None
    return link.traffic.turned() if counts == "turned" else link.traffic

"""A picture of a cluster before it is drawn: its servers with their rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from farswitch.graph.rows import GuestRow, rows, states
from farswitch.links.underlay import Underlay
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Server
from farswitch.status.guests import MISSING, UNKNOWN, UP
from farswitch.status.observed import ServerLook

Format = Literal["svg", "mermaid", "dot"]


@dataclass(frozen=True, slots=True)
class PicturedServer:
    """A server in a picture.

    Attributes:
        address: On the underlay.
        device: The underlay's there, where it was looked at.
        bridge: What all its guests have in common: the bridge of management, or the switch.
        state: Of that; empty where nobody looked.
        answers: Whether it could be looked at; None where nobody tried.
        rows: Of its guests; of the switch those of all.
    """

    name: str
    address: str
    device: str
    bridge: str
    state: str
    answers: bool | None
    rows: tuple[GuestRow, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """All that a picture shows."""

    cluster: str
    udp_port: int
    gateway: str
    data_network: str
    live: bool
    hypervisors: tuple[PicturedServer, ...]
    switch: PicturedServer


def picture(cluster: Cluster, looks: Mapping[str, ServerLook] | None) -> Picture:
    """Return what is shown of a cluster: from the site alone, or with what looks found."""
    known = states(cluster, looks)

    def server(one: Server, bridge: str, shown: tuple[GuestRow, ...]) -> PicturedServer:
        look = looks.get(one.name) if looks else None
        underlay = look.underlay if look else None
        device = underlay.device if isinstance(underlay, Underlay) else ""
        state = "" if looks is None else _state(look, bridge)
        if look and look.switch:
            state = "down" if look.switch.fault else UP
        answers = None if looks is None else look is not None
        return PicturedServer(one.name, str(one.underlay), device, bridge, state, answers, shown)

    hypervisors = tuple(
        server(one, cluster.management_bridge, rows(cluster, one.name, known))
        for one in cluster.hypervisors
    )
    every = tuple(row for one in hypervisors for row in one.rows)
    return Picture(
        cluster=cluster.name,
        udp_port=cluster.settings.udp_port,
        gateway=str(cluster.management_gateway.ip),
        data_network=str(cluster.settings.data_network),
        live=looks is not None,
        hypervisors=hypervisors,
        switch=server(cluster.switch, cluster.switch_name, every),
    )


def _state(look: ServerLook | None, bridge: str) -> str:
    if look is None:
        return UNKNOWN
    link = look.link(bridge)
    return MISSING if link is None else UP if link.up else "down"

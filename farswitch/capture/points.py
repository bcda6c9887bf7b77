"""Where frames of guests are captured: taps, both ends of their tunnels, and the underlay."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest
from farswitch.status.observed import ServerLook

MAC = len("02:fa:00:00:00:29")
"""Other links have none, or addresses of another length."""
What = Literal["tap", "tunnel", "underlay", "port"]


@dataclass(frozen=True, slots=True)
class CapturePoint:
    """One interface.

    Attributes:
        what: A tap, the hypervisor's end of a tunnel, the switch's (a port), or the underlay.
        index: The kernel's number of it.
        guest: Whose it is; nobody's own where it is the underlay.
        ethernet: Whether its frames have a header of Ethernet; those of WireGuard have none.
    """

    host: str
    what: What
    name: str
    index: int
    guest: str = ""
    ethernet: bool = True

    def __str__(self) -> str:
        return f"{self.host} {self.name} ({self.guest or self.what})"


@dataclass(frozen=True, slots=True)
class TunnelFrames:
    """Which frames of an underlay are tunnels': of these VNIs, to this UDP port, over IPv4 or 6."""

    port: int
    vnis: tuple[int, ...]
    version: int

    @property
    def inner(self) -> int:
        """Bytes from the IP header to the guest's frame (RFC 7348)."""
        return (20 if self.version == 4 else 40) + 8 + 8  # noqa: PLR2004 - IP's version


def tunnel_frames(cluster: Cluster, guests: Sequence[Guest]) -> TunnelFrames:
    """Return which frames of the underlay are those of the guests' tunnels."""
    vnis = tuple(guest.vni for guest in guests)
    return TunnelFrames(cluster.settings.udp_port, vnis, cluster.switch.underlay.version)


def capture_points(
    cluster: Cluster,
    guests: Sequence[Guest],
    looks: Mapping[str, ServerLook],
    devices: Mapping[str, str],
) -> tuple[list[CapturePoint], list[str]]:
    """Return the interfaces in the order of the way, and those that are missing, in words.

    Args:
        cluster: Whose guests.
        guests: The guests.
        looks: A look at each server.
        devices: The underlay's, by server.
    """
    points, missing = [], []
    for host, what, name, guest in _wanted(cluster, guests, devices):
        link = looks[host].link(name)
        if link is None:
            missing.append(f"{what} '{name}' of '{host}'")
        else:
            ethernet = len(link.mac) == MAC
            points.append(CapturePoint(host, what, name, link.index, guest, ethernet))
    return points, missing


def _wanted(
    cluster: Cluster, guests: Iterable[Guest], devices: Mapping[str, str]
) -> Iterator[tuple[str, What, str, str]]:
    """Yield server, kind, name and guest of each interface."""
    switch = cluster.switch.name
    for server in cluster.hypervisors:
        own = [guest for guest in guests if guest.hypervisor == server.name]
        for guest in own:
            yield server.name, "tap", guest.data_tap, guest.name
            yield server.name, "tunnel", guest.tunnel, guest.name
        if own:
            yield server.name, "underlay", devices[server.name], ""
    yield switch, "underlay", devices[switch], ""
    for guest in guests:
        yield switch, "port", guest.tunnel, guest.name

"""The tunnels' UDP port and VNIs, where somebody else holds them: pure judgements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from farswitch.connections.netlink.links import Link
from farswitch.errors import Obstacle
from farswitch.links.ownership import owns
from farswitch.links.wanted_server import WantedServer

_FREE = range(14789, 14889)
"""UDP ports that are proposed instead: no service's by IANA, and below those that Linux gives away
by itself (32768, ip_local_port_range)."""
_TUNNELS = {"geneve", "wireguard", "bareudp", "gtp", "amt"}
"""Kinds of interfaces that have a UDP socket in the kernel."""


@dataclass(frozen=True, slots=True)
class PortSocket:
    """A UDP socket of the tunnels' port; `process` is 0 where the kernel itself holds it."""

    family: str
    address: str
    process: int
    name: str


@dataclass(frozen=True, slots=True)
class HeldVni:
    """A VNI that is taken by an interface in another network namespace; `where` names that."""

    vni: int
    port: int
    link: str
    where: str


@dataclass(frozen=True, slots=True)
class Held:
    """What `preflight.sh` printed of sockets and of other network namespaces."""

    sockets: tuple[PortSocket, ...]
    ports: frozenset[int]
    vnis: tuple[HeldVni, ...]


def held(text: str) -> Held:
    """Read what `preflight.sh` printed."""
    sockets, vnis, ports = [], [], ""
    for line in text.splitlines():
        word, _, value = line.partition(" ")
        if word == "socket":
            family, address, process, name = [*value.split(" ", 3), ""][:4]
            sockets.append(PortSocket(family, address, int(process), name.strip()))
        elif word == "vni":
            vni, port, link, where = value.split(" ", 3)
            vnis.append(HeldVni(int(vni), int(port), link, where))
        elif word == "ports":
            ports = value
    return Held(
        tuple(sockets), frozenset(int(port, base=16) for port in ports.split()), tuple(vnis)
    )


def held_obstacles(want: WantedServer, have: Held, links: Sequence[Link]) -> Iterator[Obstacle]:
    """Yield who holds the tunnels' UDP port, or a VNI where our interfaces do not show it."""
    server, port = want.server.name, want.udp_port
    free = next((one for one in _FREE if one not in have.ports and one != port), _FREE[0])
    another = f"or write 'udp_port: {free}' into the site, and open it where {port} was opened"
    # A plain tunnel that was moved into another namespace keeps its socket in this one.
    shared = any(one.port == port for one in have.vnis)
    for who, stop in dict.fromkeys(_holders(want, have.sockets, links, shared=shared)):
        yield Obstacle(
            f"UDP port {port} of '{server}' is held by {who}.",
            f"{stop}, {another}.",
        )
    for one in have.vnis:
        if one.vni in want.vnis and one.port == port:
            yield Obstacle(
                f"'{server}' already has VNI {one.vni} on UDP port {port}, on '{one.link}' in "
                f"another network namespace: {one.where}.",
                f"Choose another 'vni_base' in the site. Look: {_look(one.where)}",
            )


def _holders(
    want: WantedServer, sockets: Sequence[PortSocket], links: Sequence[Link], *, shared: bool
) -> Iterator[tuple[str, str]]:
    """Yield each holder of the port that our tunnels cannot share it with, and what frees it."""
    tunnels = [
        link for link in links if link.up and link.vxlan and link.vxlan.port == want.udp_port
    ]
    for link in tunnels:
        if link.vxlan and link.vxlan.own_socket and _meets(want, link):
            who = f"interface '{link.name}', a tunnel of another kind than ours, as Open vSwitch's"
            yield who, "Give that one another port"
    for socket in sockets:
        if not _concerns(want, socket):
            continue
        if socket.process:
            yield (
                f"process {socket.process} ('{socket.name}')",
                f"Stop it there (look: ps -fp {socket.process})",
            )
        elif not shared and not any(_meets(want, link) for link in tunnels):
            kinds = [f"'{link.name}'" for link in links if link.kind in _TUNNELS and link.up]
            names = f", perhaps for {' or '.join(kinds)}" if kinds else ""
            look = "ip -d link; ip fou show; ip l2tp show tunnel"
            yield f"its kernel{names}", f"Find what has it and stop that (look: {look})"


def _meets(want: WantedServer, link: Link) -> bool:
    """Tell whether a tunnel has a socket of the underlay's family; `external` ones have both."""
    if link.vxlan is None:
        return False
    ends = {one.version for one in (link.vxlan.local, link.vxlan.remote) if one}
    if not ends:
        return link.vxlan.own_socket or want.server.underlay.version == 4  # noqa: PLR2004
    return owns(want.owner, link) or want.server.underlay.version in ends


def _concerns(want: WantedServer, socket: PortSocket) -> bool:
    """Tell whether a socket keeps ours from its port.

    A kernel's socket of IPv6 is of IPv6 alone; a process's of any address takes IPv4 too, and one
    of an IPv4 address written as IPv6 (::ffff:…).
    """
    if want.server.underlay.version == 6:  # noqa: PLR2004
        return socket.family == "udp6"
    if socket.family == "udp":
        return True
    both = socket.address.strip("0") == "" or socket.address.startswith(f"{0:016X}FFFF0000")
    return bool(socket.process) and both


def _look(where: str) -> str:
    process = where.split()[1] if where.startswith("process ") else ""
    net = f"/proc/{process}/ns/net" if process else where
    return f"nsenter --net={net} ip -d link show type vxlan"

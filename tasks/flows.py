"""The kinds of packets that a cluster needs to pass on a server."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from inventory.model import Address, Cluster, Server
from tasks.guard_rules import peers
from tasks.nft import Json

FAMILY = {4: "ip", 6: "ip6"}
_HOOKS = {
    "input": frozenset({"prerouting", "input"}),
    "output": frozenset({"output", "postrouting"}),
    "forward": frozenset({"forward"}),
}


@dataclass(frozen=True, slots=True)
class Flow:
    """One kind of packet, on its way in, out, or (bridged) through.

    Attributes:
        way: `input`, `output` or `forward`.
        families: The families of the tables that see it.
        device: The interface it comes in by (or, on the way out, leaves by); empty for any.
        peer: The far end's address; None for any.
        udp: Its UDP port.
        state: Its state as connection tracking names it.
        icmp: Its ICMP type.
    """

    way: str
    families: frozenset[str]
    device: str = ""
    peer: Address | None = None
    udp: int | None = None
    state: str | None = None
    icmp: str | None = None

    @property
    def hooks(self) -> frozenset[str]:
        return _HOOKS[self.way]

    @property
    def facts(self) -> dict[str, str]:
        """What a rule finds in such a packet, by nft's name of the field."""
        incoming = self.way != "output"
        found = {
            "iifname" if incoming else "oifname": self.device,
            "saddr" if incoming else "daddr": str(self.peer or ""),
            "dport": str(self.udp or ""),
            "l4proto": "udp" if self.udp else "icmp" if self.icmp else "",
            "state": self.state or "",
            "icmp type": self.icmp or "",
        }
        return {key: value for key, value in found.items() if value}

    def __str__(self) -> str:
        way = {"input": "from", "output": "to", "forward": "bridged from"}[self.way]
        what = f"UDP port {self.udp}" if self.udp else self.icmp or self.state or "frames"
        return f"{what} {way} {self.peer or self.device}"

    def nft(self) -> list[Json]:
        """Return the expressions of a rule that accepts it."""
        incoming = self.way != "output"
        found: list[Json] = []
        if self.device:
            found.append(
                _equal({"meta": {"key": "iifname" if incoming else "oifname"}}, self.device)
            )
        if self.peer:
            side = {
                "protocol": FAMILY[self.peer.version],
                "field": "saddr" if incoming else "daddr",
            }
            found.append(_equal({"payload": side}, str(self.peer)))
        if self.udp:
            found.append(_equal({"payload": {"protocol": "udp", "field": "dport"}}, self.udp))
        if self.icmp:
            found.append(_equal({"payload": {"protocol": "icmp", "field": "type"}}, self.icmp))
        if self.state:
            found.append(_equal({"ct": {"key": "state"}}, self.state, op="in"))
        # The counter keeps the rule in the form that ebtables makes, and reads.
        return [*found, {"counter": {"packets": 0, "bytes": 0}}, {"accept": None}]

    def iptables(self) -> list[str]:
        """Return the arguments of a rule that accepts it."""
        incoming = self.way != "output"
        words = ["-i" if incoming else "-o", self.device] if self.device else []
        words += ["-s" if incoming else "-d", str(self.peer)] if self.peer else []
        words += ["-p", "udp", "--dport", str(self.udp)] if self.udp else []
        words += ["-p", "icmp", "--icmp-type", self.icmp] if self.icmp else []
        words += ["-m", "conntrack", "--ctstate", self.state.upper()] if self.state else []
        return [*words, "-j", "ACCEPT"]


def flows(cluster: Cluster, server: Server, device: str) -> tuple[Flow, ...]:
    """Return what has to pass on a server.

    Args:
        cluster: The cluster.
        server: One of its servers.
        device: The server's interface on the underlay; empty for any.
    """
    return (*_tunnels(cluster, server, device), *_bridged(cluster, server))


def _tunnels(cluster: Cluster, server: Server, device: str) -> Iterable[Flow]:
    for peer in peers(cluster, server):
        families = frozenset({FAMILY[peer.version], "inet"})
        for way in ("input", "output"):
            yield Flow(way, families, device, peer, cluster.settings.udp_port)


def _bridged(cluster: Cluster, server: Server) -> Iterable[Flow]:
    """Frames in bridges pass the tables of family bridge; those of ip only if sysctl says so."""
    frames = frozenset({"bridge"})
    if server.role == "switch":
        yield from (Flow("forward", frames, guest.tunnel) for guest in cluster.guests)
        return
    routed, bridge = frozenset({"ip", "inet"}), cluster.management_bridge
    yield Flow("input", routed, bridge, state="established")
    yield Flow("input", routed, bridge, icmp="echo-request")
    yield Flow("output", routed, bridge)
    for guest in cluster.guests_of(server.name):
        for tap in (guest.data_tap, guest.tunnel):
            yield Flow("forward", frames, tap)
        yield Flow("input", frames, guest.management_tap)
        yield Flow("output", frames, guest.management_tap)


def _equal(left: Json, right: str | int, op: str = "==") -> Json:
    return {"match": {"op": op, "left": left, "right": right}}

"""The kinds of packets that a cluster needs to pass on a server."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from farswitch.firewall.guard_wanted import tunnel_peers
from farswitch.firewall.nft import Json
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Address, Server

FAMILY = {4: "ip", 6: "ip6"}
_HOOKS = {
    "input": frozenset({"prerouting", "input"}),
    "output": frozenset({"output", "postrouting"}),
    "forward": frozenset({"prerouting", "forward"}),
    "leaving": frozenset({"postrouting"}),
}
_INCOMING = frozenset({"input", "forward"})
"""Ways on which the interface that is named is the one that packets come in by."""


@dataclass(frozen=True, slots=True)
class Flow:
    """One kind of packet, on its way in, out, or (bridged) through.

    Attributes:
        way: `input`, `output`, `forward`, or `leaving` (the end of `forward`).
        families: The families of the tables that see it.
        device: The interface it comes in by (or, on the way out, leaves by); empty for any.
        peer: The far end's address; None for any.
        udp: Its UDP port.
        state: Its state as connection tracking names it.
        icmp: Its ICMP type.
        bridge: The bridge that forwards it; only to know which rules are about others.
        out: The interface that it leaves by, where that is known; likewise.
    """

    way: str
    families: frozenset[str]
    device: str = ""
    peer: Address | None = None
    udp: int | None = None
    state: str | None = None
    icmp: str | None = None
    bridge: str = ""
    out: str = ""

    @property
    def hooks(self) -> frozenset[str]:
        return _HOOKS[self.way]

    @property
    def facts(self) -> dict[str, str]:
        """What a rule finds in such a packet, by nft's name of the field."""
        incoming = self.way in _INCOMING
        found = {
            "oifname": self.out,
            "iifname" if incoming else "oifname": self.device,
            "ibrname" if incoming else "obrname": self.bridge,
            "saddr" if incoming else "daddr": str(self.peer or ""),
            "dport": str(self.udp or ""),
            "l4proto": "udp" if self.udp else "icmp" if self.icmp else "",
            "state": self.state or "",
            "icmp type": self.icmp or "",
        }
        return {key: value for key, value in found.items() if value}

    def __str__(self) -> str:
        way = {"input": "from", "output": "to", "forward": "bridged from",
               "leaving": "bridged to"}[self.way]  # fmt: skip
        what = f"UDP port {self.udp}" if self.udp else self.icmp or self.state or "frames"
        return f"{what} {way} {self.peer or self.device}"

    def nft(self) -> list[Json]:
        """Return the expressions of a rule that accepts it."""
        incoming = self.way in _INCOMING
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
        incoming = self.way in _INCOMING
        words = ["-i" if incoming else "-o", self.device] if self.device else []
        words += ["-s" if incoming else "-d", str(self.peer)] if self.peer else []
        words += ["-p", "udp", "--dport", str(self.udp)] if self.udp else []
        words += ["-p", "icmp", "--icmp-type", self.icmp] if self.icmp else []
        words += ["-m", "conntrack", "--ctstate", self.state.upper()] if self.state else []
        return [*words, "-j", "ACCEPT"]


def wanted_flows(cluster: Cluster, server: Server, device: str) -> tuple[Flow, ...]:
    """Return what has to pass on a server; an empty `device` of the underlay is any."""
    return (*_tunnels(cluster, server, device), *_bridged(cluster, server))


def filtered(cluster: Cluster, server: Server, families: frozenset[str]) -> tuple[Flow, ...]:
    """Return the frames that br_netfilter shows to the tables of IP or ARP.

    The families are those that the settings `bridge-nf-call-*` name.
    """
    if server.role == "switch":
        bridges = [cluster.switch_bridge]
    else:
        bridges = [guest.bridge for guest in cluster.guests_of(server.name)]
    return tuple(Flow("forward", families, name, bridge=name, out=name) for name in bridges)


def _tunnels(cluster: Cluster, server: Server, device: str) -> Iterable[Flow]:
    for peer in tunnel_peers(cluster, server):
        families = frozenset({FAMILY[peer.version], "inet"})
        for way in ("input", "output"):
            yield Flow(way, families, device, peer, cluster.settings.udp_port)


def _bridged(cluster: Cluster, server: Server) -> Iterable[Flow]:
    """Frames in bridges pass the tables of family bridge; those of ip only if sysctl says so."""
    frames = frozenset({"bridge"})
    if server.role == "switch":
        for guest in cluster.guests:
            yield from _through(frames, guest.tunnel, cluster.switch_bridge)
        return
    routed, bridge = frozenset({"ip", "inet"}), cluster.management_bridge
    yield Flow("input", routed, bridge, state="established")
    yield Flow("input", routed, bridge, icmp="echo-request")
    yield Flow("output", routed, bridge)
    for guest in cluster.guests_of(server.name):
        tap, tunnel = guest.data_tap, guest.tunnel
        yield from _through(frames, tap, guest.bridge, out=tunnel)
        yield from _through(frames, tunnel, guest.bridge, out=tap)
        yield Flow("input", frames, guest.management_tap)
        yield Flow("output", frames, guest.management_tap)


def _through(families: frozenset[str], port: str, bridge: str, *, out: str = "") -> Iterable[Flow]:
    yield Flow("forward", families, port, bridge=bridge, out=out)
    yield Flow("leaving", families, port, bridge=bridge)


def _equal(left: Json, right: str | int, op: str = "==") -> Json:
    return {"match": {"op": op, "left": left, "right": right}}

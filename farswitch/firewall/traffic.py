"""The kinds of packets that a cluster needs to pass on a server."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from farswitch.firewall.guard_wanted import tunnel_peers
from farswitch.firewall.nft import Json
from farswitch.links.underlay import LowerDevice
from farswitch.links.wanted import switch_bridges
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Address, Server

FAMILY = {4: "ip", 6: "ip6"}
_HOOKS = {
    "input": frozenset({"prerouting", "input"}),
    "output": frozenset({"output", "postrouting"}),
    "forward": frozenset({"prerouting", "forward"}),
    "leaving": frozenset({"postrouting"}),
}
_ICMP_WORDS = {"icmp": ("icmp", "--icmp-type"), "icmpv6": ("ipv6-icmp", "--icmpv6-type")}
_INCOMING = frozenset({"input", "forward"})
"""Ways on which the interface that is named is the one that packets come in by."""


@dataclass(frozen=True, slots=True)
class Flow:
    """One kind of packet, on its way in, out, or (bridged) through.

    Attributes:
        way: `input`, `output`, `forward`, or `leaving` (the end of `forward`).
        families: The families of the tables that see it; `netdev` for what hangs on the device.
        device: The interface it comes in by (or, on the way out, leaves by); empty for any.
        peer: The far end's address; None for any.
        udp: Its UDP port.
        state: Its state as connection tracking names it.
        icmp: Its type of ICMP, or of ICMPv6 where that starts with `nd-`.
        arp: It is ARP.
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
    arp: bool = False

    @property
    def hooks(self) -> frozenset[str]:
        return _HOOKS[self.way]

    @property
    def facts(self) -> dict[str, str]:
        """What a rule finds in such a packet, by nft's name of the field."""
        incoming = self.way in _INCOMING
        packet = {
            "protocol": self._protocol,
            "nfproto": {"ip": "ipv4", "ip6": "ipv6"}.get(self._protocol, ""),
            "oifname": self.out,
            "iifname" if incoming else "oifname": self.device,
            "ibrname" if incoming else "obrname": self.bridge,
            "saddr" if incoming else "daddr": str(self.peer or ""),
            "dport": str(self.udp or ""),
            "l4proto": "udp" if self.udp else self._icmp if self.icmp else "",
            "state": self.state or "",
            "icmp type": self.icmp or "",
        }
        return {key: value for key, value in packet.items() if value}

    @property
    def _icmp(self) -> str:
        return "icmpv6" if self.icmp and self.icmp.startswith("nd-") else "icmp"

    @property
    def _protocol(self) -> str:
        """What the packet is, by nft's name of the ethertype; empty for a frame of any kind."""
        if self.arp:
            return "arp"
        if self.peer:
            return FAMILY[self.peer.version]
        return "ip6" if self._icmp == "icmpv6" else "ip" if "ip" in self.families else ""

    def on_device(self, hook: str, devices: Sequence[str]) -> bool:
        """Tell whether a hook (`ingress`, else where packets leave) of one of the devices sees it.

        A name that ends with `*` is of all that begin so.
        """
        enters = self.way in _INCOMING
        return (
            "netdev" in self.families
            and enters == (hook == "ingress")
            and any(not self.device or fnmatchcase(self.device, name) for name in devices)
        )

    def __str__(self) -> str:
        way = {"input": "from", "output": "to", "forward": "bridged from",
               "leaving": "bridged to"}[self.way]  # fmt: skip
        what = f"UDP port {self.udp}" if self.udp else self.icmp or self.state
        what = what or ("ARP" if self.arp else "frames")
        return f"{what} {way} {self.peer or self.device}"

    def nft(self) -> list[Json]:
        """Return the expressions of a rule that accepts it."""
        incoming = self.way in _INCOMING
        expr: list[Json] = []
        if self.device:
            name = "iifname" if incoming else "oifname"
            expr.append(_equal({"meta": {"key": name}}, self.device))
        if self.arp:
            expr.append(_equal({"meta": {"key": "protocol"}}, "arp"))
        if self.peer:
            side = {
                "protocol": FAMILY[self.peer.version],
                "field": "saddr" if incoming else "daddr",
            }
            expr.append(_equal({"payload": side}, str(self.peer)))
        if self.udp:
            expr.append(_equal({"payload": {"protocol": "udp", "field": "dport"}}, self.udp))
        if self.icmp:
            expr.append(_equal({"payload": {"protocol": self._icmp, "field": "type"}}, self.icmp))
        if self.state:
            expr.append(_equal({"ct": {"key": "state"}}, self.state, op="in"))
        # The counter keeps the rule in the form that ebtables makes, and reads.
        return [*expr, {"counter": {"packets": 0, "bytes": 0}}, {"accept": None}]

    def iptables(self) -> list[str]:
        """Return the arguments of a rule that accepts it."""
        incoming = self.way in _INCOMING
        words = ["-i" if incoming else "-o", self.device] if self.device else []
        words += ["-s" if incoming else "-d", str(self.peer)] if self.peer else []
        words += ["-p", "udp", "--dport", str(self.udp)] if self.udp else []
        if self.icmp:
            words += ["-p", *_ICMP_WORDS[self._icmp], self.icmp.removeprefix("nd-")]
        words += ["-m", "conntrack", "--ctstate", self.state.upper()] if self.state else []
        return [*words, "-j", "ACCEPT"]


def wanted_flows(
    cluster: Cluster, server: Server, device: str = "", below: Sequence[LowerDevice] = ()
) -> tuple[Flow, ...]:
    """Return what has to pass on a server.

    The `device` is that of its underlay, empty for any, and `below` what carries it.
    """
    return on_underlay((*_tunnels(cluster, server), *_bridged(cluster, server)), device, below)


def neighbour_flows(version: int) -> Iterable[Flow]:
    """Yield what asks and answers for the MACs of neighbours, by the version of IP."""
    for way in ("input", "output"):
        if version == 4:  # noqa: PLR2004 - of IP
            yield Flow(way, frozenset({"arp", "netdev"}), arp=True)
            continue
        for message in ("nd-neighbor-solicit", "nd-neighbor-advert"):
            yield Flow(way, frozenset({"ip6", "inet", "netdev"}), icmp=message)


def on_underlay(
    flows: Iterable[Flow], device: str, below: Sequence[LowerDevice] = ()
) -> tuple[Flow, ...]:
    """Return flows with the underlay's device for those that have none yet."""
    placed: list[Flow] = []
    for flow in flows:
        if flow.device:
            placed.append(flow)
            continue
        placed.append(replace(flow, device=device))
        for lower in below:
            families = frozenset({"netdev", "bridge"} if lower.bridge else {"netdev"})
            placed.append(replace(flow, families=families, device=lower.name, bridge=lower.bridge))
    return tuple(placed)


def filtered(cluster: Cluster, server: Server, families: frozenset[str]) -> tuple[Flow, ...]:
    """Return the frames that br_netfilter shows to the tables of IP or ARP.

    The families are those that the settings `bridge-nf-call-*` name.
    """
    if server.role == "switch":
        bridges = list(switch_bridges(cluster))
    else:
        bridges = [guest.bridge for guest in cluster.guests_of(server.name)]
    return tuple(Flow("forward", families, name, bridge=name, out=name) for name in bridges)


def _tunnels(cluster: Cluster, server: Server) -> Iterable[Flow]:
    """The tunnels' packets, and how the kernel asks for the MAC of whom they go to."""
    peers = tunnel_peers(cluster, server)
    for way in ("input", "output"):
        for peer in peers:
            families = frozenset({FAMILY[peer.version], "inet", "netdev"})
            yield Flow(way, families, peer=peer, udp=cluster.settings.udp_port)
    for version in sorted({peer.version for peer in peers}):
        yield from neighbour_flows(version)


def _bridged(cluster: Cluster, server: Server) -> Iterable[Flow]:
    """Frames in bridges pass the tables of family bridge; those of ip only if sysctl says so."""
    frames = frozenset({"bridge", "netdev"})
    if server.role == "switch":
        for guest in cluster.guests:
            for name, bridge in cluster.port_links(guest).items():
                if bridge:
                    yield from _through(frames, name, bridge)
                else:
                    yield Flow("input", frozenset({"netdev"}), name)
                    yield Flow("output", frozenset({"netdev"}), name)
        return
    routed, bridge = frozenset({"ip", "inet", "netdev"}), cluster.management_bridge
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

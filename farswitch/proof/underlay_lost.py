"""Why the tunnels' UDP does not get from one server to another, by what was tried; pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from farswitch.errors import Obstacle
from farswitch.firewall.evaluate import RuleClash, find_clashes, suspects
from farswitch.firewall.obstacles import removal
from farswitch.firewall.ruleset import Ruleset
from farswitch.firewall.traffic import Flow, neighbour_flows, on_underlay
from farswitch.links.underlay import LowerDevice
from farswitch.proof.path_mtu import PacketPath

BETWEEN = (
    "Open it in what lies between the servers: a provider's security group, the filter of a router "
    "or a virtual switch. Nothing was changed."
)


@dataclass(frozen=True, slots=True)
class UnderlayEnd:
    """A server's side of the underlay: its device, what carries that, and all its rules."""

    device: str
    below: tuple[LowerDevice, ...]
    rules: Ruleset

    def flows(self, flows: Sequence[Flow]) -> tuple[Flow, ...]:
        """Return flows as its devices see them; the first is on the device itself."""
        return on_underlay(flows, self.device, self.below)


@dataclass(frozen=True, slots=True)
class Lost:
    """What did not get through to behind the hooks of the receiver's device.

    Attributes:
        path: Of the packets.
        error: Why they could not be sent.
        arrived: They came to the device, before its hooks.
        seen: The interfaces of the receiver that they came to, where they did not come there.
        strict: Those with its address where its kernel takes nothing from the sender (rp_filter).
    """

    path: PacketPath
    error: str = ""
    arrived: bool = False
    seen: frozenset[str] = frozenset()
    strict: frozenset[str] = frozenset()

    def others(self, receiver: UnderlayEnd) -> frozenset[str]:
        """Return the interfaces beside the underlay's at which they come in."""
        own = {receiver.device, *(lower.name for lower in receiver.below)}
        return (self.seen or self.strict) - own


def judge(lost: Sequence[Lost], ends: Mapping[str, UnderlayEnd]) -> Iterator[Obstacle]:
    """Yield what keeps packets away, unless it is what a build opens by itself."""
    judged = [(one, _of_error(one) if one.error else _of_rules(one, ends)) for one in lost]
    obstacles = [(one, found) for one, found in judged if found]
    one_way = {one.path.receiver for one, _ in obstacles if one.others(ends[one.path.receiver])}
    for one, found in obstacles:
        if not (found.remedy == BETWEEN and one.path.sender in one_way):
            yield found


def _of_error(lost: Lost) -> Obstacle:
    return Obstacle(f"{_what(lost.path)} cannot be sent to: {lost.error}.", BETWEEN)


def _of_rules(lost: Lost, ends: Mapping[str, UnderlayEnd]) -> Obstacle | None:
    """Return what drops the packets of a path, or what else is the matter with it."""
    path, what = lost.path, _what(lost.path)
    sender, receiver = ends[path.sender], ends[path.receiver]
    out = sender.flows([_flow(path, "output", path.to)])
    came, *under = receiver.flows([_flow(path, "input", path.source)])
    seen: dict[str, tuple[Flow, ...]]
    if lost.arrived:
        seen, held = {path.receiver: (came,)}, find_clashes(receiver.rules, [came])
        what = f"{what} it arrives at '{path.interface}' and is dropped there"
    else:
        asked = tuple(neighbour_flows(ip_address(path.to).version))
        sent, got = (*out, *sender.flows(asked)), (*under, *receiver.flows(asked))
        seen = {path.sender: sent, path.receiver: (came, *got)}
        held = [*find_clashes(sender.rules, sent), *find_clashes(receiver.rules, got)]
        what = f"{what} nothing arrives at '{path.interface}'"
    if others := lost.others(receiver):
        return _by_another(what, lost, min(others))
    if any(clash.chain.changeable for clash, _ in held):
        return None
    programs = [(name, one) for name in seen for one in suspects(ends[name].rules, seen[name])]
    if programs:
        return _dropped(f"{what}, probably by", programs, path.port)
    return Obstacle(f"{what}.", BETWEEN)


def _what(path: PacketPath) -> str:
    return f"UDP port {path.port} of '{path.receiver}', from '{path.sender}':"


def _flow(path: PacketPath, way: str, peer: str) -> Flow:
    return Flow(way, frozenset({"netdev"}), peer=ip_address(peer), udp=path.port)


def _dropped(what: str, programs: Sequence[tuple[str, RuleClash]], port: int) -> Obstacle:
    """Return the obstacle of programs that may drop what was sent."""
    named = " or ".join(f"{clash} on '{server}'" for server, clash in programs)
    remedies = (f"on '{server}': {shlex.join(removal(clash))}" for server, clash in programs)
    remedy = f"Have it let UDP port {port} pass, or {', or '.join(remedies)}"
    return Obstacle(f"{what} {named}.", remedy)


def _by_another(what: str, lost: Lost, device: str) -> Obstacle:
    """Return the obstacle of packets that come in by another device than replies leave by."""
    path = lost.path
    found = (
        f"it arrives at '{device}'"
        if lost.seen
        else f"and '{device}', which has the address, takes nothing from there (strict rp_filter)"
    )
    return Obstacle(
        f"{what}, {found}: '{path.receiver}' sends to {path.source} by '{path.interface}'.",
        f"Route both ways by one device, on '{path.receiver}': ip route replace {path.source} dev "
        f"{device} src {path.to} (and 'via' a router, if one leads there)",
    )

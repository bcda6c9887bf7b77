"""Judging what got through between the servers: by the underlay, and by each tunnel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from farswitch.model.machines import Guest, Server
from farswitch.proof.check import Check
from farswitch.proof.path_mtu import FORBIDDEN, SMALL, Passage
from tasks.checks.mtu.hops import Ground, Hop, explain


@dataclass(frozen=True, slots=True)
class Direction:
    """What went from one server to another: by UDP to the tunnels' port, by ICMP, by tunnels.

    `device_mtu` is of the sender's underlay device, `overhead` what a tunnel adds.
    """

    sender: Server
    receiver: Server
    here: Ground
    there: Ground
    port: int
    udp: Passage
    icmp: Passage
    tunnels: Sequence[tuple[Guest, Passage]]

    @property
    def largest(self) -> int | None:
        """The largest packet that arrived; by ICMP where UDP is dropped."""
        return self.udp.largest or self.icmp.largest


def judge_underlay(one: Direction, hops: Sequence[Hop], mtu: int) -> Check:
    """Return the verdict on packets of the derived size between two servers, unfragmented."""
    way = one.udp if one.udp.passed else one.icmp
    wanted = mtu + one.here.underlay.overhead
    exact = one.here.device_mtu == wanted
    more = wanted + 1 in way.passed
    good = wanted in way.passed and not (exact and more)
    why = explain(_under(one, hops))
    expected = f"{wanted} B passes" + (f", {wanted + 1} B does not" if exact else "")
    return Check(
        name="mtu.underlay",
        host=one.sender.name,
        ok=good,
        measured=f"to '{one.receiver.name}': {_told(way, wanted, exact=exact)}",
        expected=f"to '{one.receiver.name}': {expected}",
        cause=_because(why) if way.passed else "Nothing arrives at all: 'reach.tunnel' says why.",
        fix=why.fix if why else _underlay_up(one),
    )


def judge_tunnels(one: Direction, hops: Sequence[Hop], mtu: int, rebuild: str) -> Iterator[Check]:
    """Yield one verdict a guest: a frame of exactly its tunnel's MTU came out at the other end."""
    nothing = not any(way.passed for _, way in one.tunnels)
    for guest, way in one.tunnels:
        ends = [hop for hop in hops if hop.guest == guest.name and hop.name == guest.tunnel]
        why = explain([*ends, *_under(one, hops)])
        if nothing:
            cause = f"No tunnel to '{one.receiver.name}' lets anything through: see 'reach.tunnel'."
        elif not way.passed:
            cause = "Its two ends differ, or one of them is down or out of its bridge."
        else:
            cause = _because(why)
        yield Check(
            name="mtu.tunnel",
            host=one.sender.name,
            ok=mtu in way.passed,
            measured=f"{guest.tunnel} of '{guest.name}' to '{one.receiver.name}': "
            f"{_told(way, mtu, exact=False)}",
            expected=f"{guest.tunnel} of '{guest.name}' to '{one.receiver.name}': {mtu} B passes",
            cause=cause,
            fix=why.fix if why and way.passed else rebuild,
        )


def judge_reach(one: Direction, rebuild: str) -> Check:
    """Return the verdict on the tunnels' UDP port from one server to another.

    What arrives at the device and at no tunnel was dropped by the receiver, or its tunnels are
    wrong; what does not arrive at the device was dropped before, or the underlay is down.
    """
    port, sender, receiver = one.port, one.sender.name, one.receiver.name
    through = sum(bool(way.passed) for _, way in one.tunnels)
    good = bool(through if one.tunnels else one.udp.passed)
    device = one.there.underlay.device
    measured = (
        f"to UDP port {port} of '{receiver}': {through} of {len(one.tunnels)} tunnels let a frame "
        f"of {SMALL} B through; plain UDP {_arrives(one.udp)}, ICMP {_arrives(one.icmp)} at "
        f"'{device}'"
    )
    host, cause, fix = sender, "", rebuild
    if FORBIDDEN in one.udp.errors.values():
        cause = f"A rule of '{sender}' itself drops what it sends: see 'server.firewall'."
    elif one.udp.passed:
        host = receiver
        cause = (
            f"It arrives at '{device}' and a rule of '{receiver}' drops it (see "
            "'server.firewall'), or its tunnels are down or differ (see 'tunnel.ends')."
        )
    elif one.icmp.passed:
        cause = f"A firewall between the servers, or '{sender}' itself, drops UDP port {port}."
        fix = f"Allow UDP port {port} from '{sender}' to '{receiver}' wherever it is filtered."
    else:
        cause, fix = "The underlay lets nothing through.", _underlay_up(one)
    return Check(
        name="reach.tunnel",
        host=sender if good else host,
        ok=good,
        measured=measured,
        expected=f"to UDP port {port} of '{receiver}': frames come through",
        cause=cause,
        fix=fix,
    )


def _under(one: Direction, hops: Sequence[Hop]) -> list[Hop]:
    """Return the hops of the underlay between the two."""
    return [
        hop for hop in hops if hop.overhead and hop.host in {one.sender.name, one.receiver.name}
    ]


def _told(way: Passage, wanted: int, *, exact: bool) -> str:
    if wanted in way.passed:
        more = f", {wanted + 1} B {'passes' if wanted + 1 in way.passed else 'does not'}"
        return f"{wanted} B passes{more if exact else ''}"
    refused = f" ({way.errors[wanted]})" if wanted in way.errors else ""
    if not way.passed:
        return f"nothing arrives, not even {SMALL} B{refused}"
    return f"{wanted} B does not pass{refused}; the largest that does has {way.largest} B"


def _because(why: Hop | None) -> str:
    if why is None:
        return ""
    return f"The narrowest hop is the {why.what} on '{why.host}' with MTU {why.found}."


def _arrives(way: Passage) -> str:
    return "arrives" if way.passed else "does not arrive"


def _underlay_up(one: Direction) -> str:
    ends = (f"'{end.underlay.device}' of '{end.underlay.server}'" for end in (one.here, one.there))
    return f"Bring the network between {' and '.join(ends)} up."

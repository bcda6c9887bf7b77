"""Judging what got through between the servers: by the underlay, and by each tunnel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from farswitch.model.machines import Guest, Server
from farswitch.proof.check import Check
from farswitch.proof.path_mtu import FORBIDDEN, SMALL, PathMtu
from tasks.checks.mtu.hops import Hop, ServerState, explain


@dataclass(frozen=True, slots=True)
class Direction:
    """What went from one server to another: by UDP to the tunnels' port, by ICMP, by tunnels.

    `device_mtu` is of the sender's underlay device, `overhead` what a tunnel adds.
    """

    sender: Server
    receiver: Server
    here: ServerState
    there: ServerState
    port: int
    udp: PathMtu
    icmp: PathMtu
    tunnels: Sequence[tuple[Guest, PathMtu]]

    @property
    def largest(self) -> int | None:
        """The largest packet that arrived; by ICMP where UDP is dropped."""
        return self.udp.largest or self.icmp.largest


def judge_underlay(direction: Direction, hops: Sequence[Hop], mtu: int) -> Check:
    """Return the verdict on packets of the derived size between two servers, unfragmented."""
    result = direction.udp if direction.udp.passed else direction.icmp
    wanted = mtu + direction.here.underlay.overhead
    exact = direction.here.device_mtu == wanted
    more = wanted + 1 in result.passed
    good = wanted in result.passed and not (exact and more)
    why = explain(_under(direction, hops))
    expected = f"{wanted} B passes" + (f", {wanted + 1} B does not" if exact else "")
    return Check(
        name="mtu.underlay",
        host=direction.sender.name,
        ok=good,
        measured=f"to '{direction.receiver.name}': {_measured(result, wanted, exact=exact)}",
        expected=f"to '{direction.receiver.name}': {expected}",
        cause=_because(why)
        if result.passed
        else "Nothing arrives at all: 'reach.tunnel' says why.",
        fix=why.fix if why else _underlay_up(direction),
    )


def judge_tunnels(
    direction: Direction, hops: Sequence[Hop], mtu: int, rebuild: str
) -> Iterator[Check]:
    """Yield one verdict a guest: a frame of exactly its tunnel's MTU came out at the other end."""
    receiver = direction.receiver.name
    nothing = not any(result.passed for _, result in direction.tunnels)
    for guest, result in direction.tunnels:
        ends = [hop for hop in hops if hop.guest == guest.name and hop.name == guest.tunnel]
        why = explain([*ends, *_under(direction, hops)])
        if nothing:
            cause = f"No tunnel to '{receiver}' lets anything through: see 'reach.tunnel'."
        elif not result.passed:
            cause = "Its two ends differ, or one of them is down or out of its bridge."
        else:
            cause = _because(why)
        yield Check(
            name="mtu.tunnel",
            host=direction.sender.name,
            ok=mtu in result.passed,
            measured=f"{guest.tunnel} of '{guest.name}' to '{receiver}': "
            f"{_measured(result, mtu, exact=False)}",
            expected=f"{guest.tunnel} of '{guest.name}' to '{receiver}': {mtu} B passes",
            cause=cause,
            fix=why.fix if why and result.passed else rebuild,
        )


def judge_reach(direction: Direction, rebuild: str) -> Check:
    """Return the verdict on the tunnels' UDP port from one server to another.

    What arrives at the device and at no tunnel was dropped by the receiver, or its tunnels are
    wrong; what does not arrive at the device was dropped before, or the underlay is down.
    """
    port, sender, receiver = direction.port, direction.sender.name, direction.receiver.name
    through = sum(bool(result.passed) for _, result in direction.tunnels)
    good = bool(through if direction.tunnels else direction.udp.passed)
    device = direction.there.underlay.device
    measured = (
        f"to UDP port {port} of '{receiver}': {through} of {len(direction.tunnels)} tunnels let a "
        f"frame of {SMALL} B through; plain UDP {_arrives(direction.udp)}, "
        f"ICMP {_arrives(direction.icmp)} at "
        f"'{device}'"
    )
    host, cause, fix = sender, "", rebuild
    if FORBIDDEN in direction.udp.errors.values():
        cause = f"A rule of '{sender}' itself drops what it sends: see 'server.firewall'."
    elif direction.udp.passed:
        host = receiver
        cause = (
            f"It arrives at '{device}' and a rule of '{receiver}' drops it, or a program on "
            "it (see 'server.firewall'), or its tunnels are down or differ (see 'tunnel.ends')."
        )
    elif direction.icmp.passed:
        cause = (
            f"A firewall between the servers, or a rule or program on a device of theirs (see "
            f"'server.firewall'), drops UDP port {port}."
        )
        fix = f"Allow UDP port {port} from '{sender}' to '{receiver}' wherever it is filtered."
    else:
        cause, fix = "The underlay lets nothing through.", _underlay_up(direction)
    return Check(
        name="reach.tunnel",
        host=sender if good else host,
        ok=good,
        measured=measured,
        expected=f"to UDP port {port} of '{receiver}': frames come through",
        cause=cause,
        fix=fix,
    )


def _under(direction: Direction, hops: Sequence[Hop]) -> list[Hop]:
    """Return the hops of the underlay between the two."""
    return [
        hop
        for hop in hops
        if hop.overhead and hop.host in {direction.sender.name, direction.receiver.name}
    ]


def _measured(result: PathMtu, wanted: int, *, exact: bool) -> str:
    if wanted in result.passed:
        more = f", {wanted + 1} B {'passes' if wanted + 1 in result.passed else 'does not'}"
        return f"{wanted} B passes{more if exact else ''}"
    refused = f" ({result.errors[wanted]})" if wanted in result.errors else ""
    if not result.passed:
        return f"nothing arrives, not even {SMALL} B{refused}"
    return f"{wanted} B does not pass{refused}; the largest that does has {result.largest} B"


def _because(why: Hop | None) -> str:
    if why is None:
        return ""
    return f"The narrowest hop is the {why.what} on '{why.host}' with MTU {why.found}."


def _arrives(result: PathMtu) -> str:
    return "arrives" if result.passed else "does not arrive"


def _underlay_up(direction: Direction) -> str:
    ends = (
        f"'{end.underlay.device}' of '{end.underlay.server}'"
        for end in (direction.here, direction.there)
    )
    return f"Bring the network between {' and '.join(ends)} up."

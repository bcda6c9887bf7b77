"""The first hop that missed frames, and why: what a check of `verify` that fits there says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from farswitch.model.cluster import Cluster
from farswitch.proof.check import Check
from farswitch.trace.hops import Trace, TraceHop

SERVERS = (
    "server.bridges", "tunnel.ends", "tunnel.ports", "server.firewall", "server.guard",
    "tunnel.vni", "server.queues",
)  # fmt: skip
"""Checks that say why a server passes nothing on; the first that fits is believed."""
GUESTS = ("guest.running", "guest.login", "guest.identity", "guest.network", "tunnel.fdb")
"""The same of the two guests, and of what the bridges know of them."""
WIDTHS, UNDERLAY = "mtu.hops", "underlay_udp"
"""The check of frames that are too large, and what tries UDP between the servers."""
ORDER = ("server.ready", WIDTHS, *SERVERS, *GUESTS, UNDERLAY)
NEIGHBOURS = ("nd-neighbor-solicit", "nd-neighbor-advert")
"""How IPv6 asks for a neighbour's MAC, by nft's names."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Where frames got lost.

    Attributes:
        missed: The first hop that was counted and missed some.
        before: The last that was counted before it; None at the sender's own NIC.
        around: All hops from the one before on to the one that missed them; between two servers the
            tunnel that sends too.
    """

    missed: TraceHop
    before: TraceHop | None
    around: tuple[TraceHop, ...]

    def words(self, family: str, port: int) -> list[str]:
        """Return what a check of a family that fits mentions; `port` is the tunnels' UDP port."""
        under = [hop.name for hop in self.around if hop.what == "underlay"]
        own = [hop.name for hop in self.around if hop.what != "underlay"]
        if family == "tunnel" or not under:
            return own
        return [*own, *under, f"UDP port {port}", "ARP", *NEIGHBOURS]


def gap(trace: Trace) -> Gap | None:
    """Return where frames got lost first; None where every hop had as many as the one before."""
    before: TraceHop | None = None
    way, wanted = trace.way, trace.frames.count
    for at, hop in enumerate(way):
        if hop.way == "through" or hop.count is None:
            continue
        if hop.count < (before.count if before and before.count is not None else wanted):
            start = way.index(before) if before else 0
            end = at + 1 if before else at + 2  # a NIC's carrier is its tap's
            between = before is not None and (before.what, hop.what) == ("underlay", "underlay")
            return Gap(hop, before, tuple(way[start - between : end]))
        before = hop
    return None


def fitting(lost: Gap, checks: Sequence[Check], cluster: Cluster) -> list[Check]:
    """Return the failed checks that say why frames got lost there, the likeliest first."""
    port = cluster.settings.udp_port
    fits = [one for one in checks if one.ok is False and _fits(one, lost, port)]
    missed = [hop.name for hop in lost.around if hop is not lost.before]

    def rank(check: Check) -> tuple[bool, int]:
        named = any(_mention(check, name) >= 0 for name in missed)
        return not named, ORDER.index(check.name)

    return sorted(fits, key=rank)


def judge(
    cluster: Cluster,
    trace: Trace,
    checks: Sequence[Check] = (),
    *,
    mtu: int,
    rebuild: str,
) -> Check:
    """Return the verdict: all came through, or which hop missed them and why.

    Args:
        cluster: Whose guests.
        trace: What was sent and counted.
        checks: What `verify` says of the servers and the two guests.
        mtu: Of the data network, in bytes of IP packet.
        rebuild: The command of the build.
    """
    first, last, wanted = trace.way[0], trace.way[-1], trace.frames.count
    name = "trace"
    expected = f"{wanted} of {wanted} from '{first.host}' to '{last.host}' at every hop"
    lost = gap(trace)
    if lost is None and last.count is None:
        said = _of(trace.way[-2], wanted)
        return Check(
            name, last.host, ok=False, expected=expected,
            measured=f"{said}; nobody could count at {last}: {trace.deaf}",
            cause="The guest is off, hangs, or its management is cut off.", fix=rebuild,
        )  # fmt: skip
    if lost is None:
        measured = f"{wanted} of {wanted} came from '{first.host}' to '{last.host}'"
        return Check(name, last.host, ok=True, measured=measured, expected=expected)
    reason = next(iter(fitting(lost, checks, cluster)), None)
    missed = _named(lost, reason)
    before = f"; {_of(lost.before, wanted)}" if lost.before else ""
    said = f": {trace.error}" if trace.error and not lost.before else ""
    cause, fix = _unknown(lost, cluster, rebuild)
    if said and trace.frames.size > mtu:
        cause, fix = f"The data network carries {mtu} B.", f"Send no more: --size {mtu}"
    elif reason:
        fix, cause = reason.fix, f"{reason.measured.rstrip('.')}. {reason.cause}".strip()
    measured = f"{_of(missed, wanted)}{said}{before}"
    return Check(name, missed.host, ok=False, measured=measured, expected=expected,
                 cause=cause, fix=fix)  # fmt: skip


def _of(hop: TraceHop, wanted: int) -> str:
    words = {"in": "came to", "out": "left", "through": "passed"}
    return f"{hop.count} of {wanted} {words[hop.way]} {hop}"


def _fits(check: Check, lost: Gap, port: int) -> bool:
    """Whether a check is of a host at the gap, and of something there; `port` of the tunnels."""
    if check.name not in ORDER or check.host not in {hop.host for hop in lost.around}:
        return False
    if check.name in {"server.ready", *GUESTS[:4]}:
        return True
    return any(_mention(check, word) >= 0 for word in lost.words(check.family, port))


def _named(lost: Gap, reason: Check | None) -> TraceHop:
    """Return the hop to blame: the first that missed frames, or one before that counts nothing."""
    after = [lost.missed] if lost.before else [*lost.around]
    between = [hop for hop in lost.around if hop.way == "through"]
    found = [
        (at, hop)
        for hop in (*between, *after)
        if reason and reason.host == hop.host and (at := _mention(reason, hop.name)) >= 0
    ]
    return min(found, key=lambda pair: pair[0], default=(0, lost.missed))[1]


def _mention(check: Check, word: str) -> int:
    """Return where a check mentions a word as a whole one; -1 where it does not."""
    found = re.search(rf"(?<![\w.-]){re.escape(word)}(?![\w.-]*\w)", check.measured)
    return found.start() if found else -1


def _unknown(lost: Gap, cluster: Cluster, rebuild: str) -> tuple[str, str]:
    """Return the usual cause and the fix where no check fits."""
    port = cluster.settings.udp_port
    if (
        lost.before
        and lost.before.host == lost.missed.host == cluster.switch.name
        and any(hop.what == "switch" for hop in lost.around)
    ):
        cause = f"The switch '{cluster.switch_name}' took them in and did not give them out there."
        return cause, rebuild
    if lost.before and lost.before.what == lost.missed.what:
        ends = f"from '{lost.before.host}' to '{lost.missed.host}'"
        cause = (
            f"Something between the servers drops UDP port {port}: a provider's security group, "
            "the filter of a router or a virtual switch."
        )
        return cause, f"Allow UDP port {port} {ends} wherever it is filtered."
    if lost.missed.what == "NIC":
        return "The guest is off or hangs, or a filter of its own or of its NIC drops it.", rebuild
    return "No check of verify names it: a rule or program at these interfaces drops it.", rebuild

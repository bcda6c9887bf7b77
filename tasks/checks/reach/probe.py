"""Every hop's MTU, and who reaches whom: servers and guests measure at the same time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from farswitch.connections.shell.protocol import ConnectionLostError
from farswitch.errors import FarswitchError
from farswitch.model.machines import Guest
from farswitch.proof.check import Check, folded, skipped
from farswitch.proof.context import Context
from farswitch.proof.probe import Observed, Probe, Proof, sound
from tasks.checks.mtu import hops as mtu_hops
from tasks.checks.mtu import table
from tasks.checks.mtu.between_servers import Survey, survey
from tasks.checks.mtu.hops import Hop
from tasks.checks.reach import judge, visit
from tasks.checks.reach.judge import PairContext
from tasks.checks.reach.visit import Visit

Visits = Observed[Visit]
Met = Mapping[str, Collection[Guest]]
"""By guest: whom it was to meet by TCP."""
EXPLAIN = frozenset({"guest.identity", "guest.network", "guest.firewall"})
"""Checks of a guest that, where they failed, say why it does not reach others."""


def prove(context: Context) -> Proof:
    """Measure between the servers and between the guests, then judge with all hops known."""
    switch = context.cluster.switch.name
    met = {guest.name: context.partners(guest) for guest in context.there()}
    observed = yield {"switch": survey, "guests": visit.visit}
    visits = {name: one for name, one in observed.items() if name != switch}
    return {switch: judge_all(context, observed[switch], visits, met)}


def judge_all(
    context: Context, surveyed: Survey | FarswitchError, visits: Visits, met: Met
) -> Iterator[Check]:
    """Yield the verdicts on every hop and every pair; guests that were lost meanwhile are noted.

    Raises:
        FarswitchError: The servers could not be measured.
    """
    for name, one in visits.items():
        if isinstance(one, ConnectionLostError):
            context.evidence.lose(name, one.cause)
    hops = guest_hops(context, visits)
    if isinstance(surveyed, Survey):
        hops = mtu_hops.without_build([*hops, *surveyed.hops(context)], context.command)
    yield from unasked(context, visits)
    if isinstance(surveyed, Survey):
        context.evidence.notes += table.table(hops)
        yield from mtu_hops.judge(hops)
        yield from surveyed.judge(context, hops)
    yield from between_guests(context, visits, met, hops)
    sound(surveyed)


def guest_hops(context: Context, visits: Visits) -> list[Hop]:
    """Return the hops that are the guests' own NICs."""
    return [
        mtu_hops.of_guest(guest, one.mtu, context.nic_mtu, context.rebuild)
        for guest in context.cluster.guests
        if isinstance(one := visits.get(guest.name), Visit)
    ]


def unasked(context: Context, visits: Visits) -> Iterator[Check]:
    """Yield a check for each guest whose NIC is not known."""
    for guest in context.cluster.guests:
        one = visits.get(guest.name)
        if one is None:
            yield skipped("mtu.hops", guest.name, "it cannot be logged in to")
        elif isinstance(one, FarswitchError):
            yield Check("mtu.hops", guest.name, ok=False, measured=f"not probed: {one}",
                        expected=f"MTU {context.nic_mtu}", fix=one.hint)  # fmt: skip


def between_guests(context: Context, visits: Visits, met: Met, hops: list[Hop]) -> Iterator[Check]:
    """Yield the verdicts on ordered pairs of guests, by kind of check."""
    guests = context.cluster.guests
    found: list[Check] = []
    faults = {one.host: one for one in context.evidence.checks
              if one.ok is False and one.name in EXPLAIN}  # fmt: skip
    ways = judge.by_guest(hops)
    for guest in guests:
        others = [other for other in guests if other is not guest]
        view = PairContext(context.nic_mtu, ways, context.rebuild, _offload(context, guest), faults)
        to_all = judge.judge(guest, others, visits.get(guest.name), view, met.get(guest.name, ()))
        found += folded(to_all, len(guests))
    for name in judge.NAMES:
        yield from (check for check in found if check.name == name)


def _offload(context: Context, guest: Guest) -> str:
    """Return the line after which the kernel fills in the checksums of a guest's packets."""
    return context.command(guest.hypervisor, ["ethtool", "-K", guest.tunnel, "tx", "off"])


PROBE = Probe(
    "switch",
    {
        "mtu.hops": "Every hop has the MTU of the build, the underlay what it needs.",
        "mtu.underlay": "A packet of the exact size passes between the servers with DF.",
        "mtu.tunnel": "A frame of exactly the tunnel's MTU comes out at its other end.",
        "mtu.exact": "The MTU passes with DF between each two guests, one byte more does not.",
        "reach.tunnel": "The tunnels' UDP port is open between the servers, both ways.",
        "reach.icmp": "Each guest pings each other one.",
        "reach.tcp": "TCP carries far more than a packet between guests, pair by pair.",
        "reach.mpi_ports": "MPI's ports can be connected to between guests, pair by pair.",
    },
    prove,
    each=frozenset(judge.NAMES),
    guests=True,
    together=True,
)

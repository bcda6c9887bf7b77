"""Does every hop on a server hand on at full speed: taps, bridges, tunnels and the underlay?"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from nornir.core.task import Task

from farswitch.connections.access import netlink
from farswitch.links.queues import QueueState
from farswitch.links.wanted import wanted_hops
from farswitch.proof.check import Check
from farswitch.proof.context import Context
from farswitch.proof.probe import Probe, of_each
from farswitch.proof.queues import judge

NAME = "server.queues"


def observe(task: Task, _context: Context) -> QueueState:
    """Read a server's interfaces and their queueing disciplines."""
    with netlink(task).session() as ipr:
        return QueueState.read(ipr)


def verdicts(context: Context, server: str, state: QueueState) -> Iterator[Check]:
    """Yield the verdicts on a server's hops."""
    hops = [hop.name for hop in wanted_hops(context.cluster, context.cluster.server(server))]
    underlay = context.underlay(server)
    under = [underlay.device, *(lower.name for lower in underlay.below)]
    faults = [*state.faults(hops, ours=True), *state.faults(under, ours=False)]
    yield from judge(NAME, server, [*hops, *under], faults, partial(context.command, server))


PROBE = Probe(
    "servers",
    {NAME: "No hop of a server shapes, delays, polices or drops by a queueing discipline."},
    of_each("servers", observe, verdicts),
)

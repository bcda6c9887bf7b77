"""Does every hop on a server hand on at full speed: taps, bridges, tunnels and the underlay?

What ports do on purpose is named and is no fault; a mechanism of it that is not whole is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from nornir.core.task import Task

from farswitch.connections.access import netlink, shell
from farswitch.impair.observe import ImpairedEnds, table_name
from farswitch.impair.observe import observe as observe_ends
from farswitch.links.queues import QueueFault, QueueState
from farswitch.links.wanted import wanted_hops
from farswitch.proof.check import Check
from farswitch.proof.context import Context
from farswitch.proof.probe import Probe, of_each
from farswitch.proof.queues import judge

NAME = "server.queues"


@dataclass(frozen=True, slots=True)
class Queues:
    """A server's queueing disciplines, and what its ports do on purpose."""

    state: QueueState
    ends: ImpairedEnds


def observe(task: Task, context: Context) -> Queues:
    """Read a server's interfaces and their queueing disciplines."""
    with netlink(task).session() as ipr:
        ends = observe_ends(shell(task), ipr, context.cluster.owner)
        return Queues(QueueState.read(ipr), ends)


def verdicts(context: Context, server: str, found: Queues) -> Iterator[Check]:
    """Yield the verdicts on a server's hops."""
    state = found.state
    hops = [hop.name for hop in wanted_hops(context.cluster, context.cluster.server(server))]
    underlay = context.underlay(server)
    under = [underlay.device, *(lower.name for lower in underlay.below)]
    faults = [*state.faults(hops, ours=True), *state.faults(under, ours=False)]
    ends = {name: end for name, end in found.ends.ends.items() if name in hops and end.mine}
    faults += [
        QueueFault(
            name,
            end.fault,
            ("nft", "delete", "table", "netdev", table_name(context.cluster.owner, name)),
        )
        for name, end in ends.items()
        if end.fault
    ]
    declared = {name: str(end.done) for name, end in ends.items()}
    command = partial(context.command, server)
    yield from judge(NAME, server, state.there([*hops, *under]), faults, command, declared=declared)


PROBE = Probe(
    "servers",
    {NAME: "No hop of a server shapes, delays, polices or drops by a queueing discipline."},
    of_each("servers", observe, verdicts),
)

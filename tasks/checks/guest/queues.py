"""Does each guest send at full speed: the queueing discipline and the filters of its data NIC?"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from nornir.core.task import Task

from farswitch.connections.access import netlink
from farswitch.links.queues import QueueState
from farswitch.model.machines import DATA_NIC
from farswitch.proof.check import Check
from farswitch.proof.context import Context
from farswitch.proof.probe import Probe, of_each
from farswitch.proof.queues import judge

NAME = "guest.queues"


def observe(task: Task, _context: Context) -> QueueState:
    """Read a guest's interfaces and their queueing disciplines."""
    with netlink(task).session() as ipr:
        return QueueState.read(ipr)


def verdicts(context: Context, host: str, state: QueueState) -> Iterator[Check]:
    """Yield the verdict on one guest."""
    faults = list(state.faults([DATA_NIC], ours=True))
    yield from judge(NAME, host, state.there([DATA_NIC]), faults, partial(context.command, host))


PROBE = Probe(
    "guests",
    {NAME: "data0 shapes, delays, polices or drops nothing by a queueing discipline."},
    of_each("guests", observe, verdicts),
)

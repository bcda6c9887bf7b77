"""Can the server be asked at all: its login, its tools, and its way to its peers?"""

from __future__ import annotations

from collections.abc import Iterator

from nornir.core.task import Task

from farswitch.errors import FarswitchError
from farswitch.guests.server_facts import Facts
from farswitch.links.underlay import Underlay
from farswitch.links.wanted_server import wanted_server
from farswitch.proof.check import Check
from farswitch.proof.context import Context
from farswitch.proof.probe import Observed, Probe, Proof
from tasks.preflight import preflight

NAME = "server.ready"
CAUSE = "What all other checks of this server stand on is missing; they are left out."


EXPECTED = "a login, the tools, and one device that leads to all peers"


def judge(underlay: Underlay) -> Check:
    """Return the verdict on a server that answered: its way to its peers, with its MTU in bytes."""
    return Check(
        name=NAME,
        host=underlay.server,
        ok=True,
        measured=f"{underlay.source} on '{underlay.device}', MTU {underlay.mtu}",
        expected=EXPECTED,
    )


def observe(task: Task, context: Context) -> Facts:
    """Ask one server for its facts."""
    cluster = context.cluster
    server = cluster.server(task.host.name)
    facts: Facts = preflight(task, wanted_server(cluster, server), builds=False).result
    return facts


def verdicts(context: Context, server: str, found: Facts | FarswitchError) -> Iterator[Check]:
    """Yield the verdict on one server; where it has no facts, later probes leave it alone."""
    if not isinstance(found, FarswitchError):
        context.evidence.underlays[server] = found.underlay
        yield judge(found.underlay)
        return
    context.evidence.lose(server, "'server.ready' failed")
    yield Check(
        name=NAME,
        host=server,
        ok=False,
        measured=str(found),
        expected=EXPECTED,
        cause=CAUSE,
        fix=found.hint,
    )


def prove(context: Context) -> Proof:
    """Ask all servers, and judge."""
    observed: Observed[Facts] = yield {"servers": observe}
    return {server: verdicts(context, server, found) for server, found in observed.items()}


PROBE = Probe(
    "servers",
    {NAME: "The server can be logged in to, has its tools, and leads to its peers."},
    prove,
    vital="always",
)

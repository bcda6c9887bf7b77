"""Can the server be asked at all: its login, its tools, and its way to its peers?"""

from __future__ import annotations

from collections.abc import Iterator

from nornir.core.task import Task

from farswitch.errors import FarswitchError
from farswitch.guests.server_facts import FACTS
from farswitch.links.clashes import wanted_server
from farswitch.links.underlay import Underlay
from farswitch.proof.check import Check
from farswitch.proof.probe import Probe, Scene
from tasks.preflight import preflight

NAME = "server.ready"
CAUSE = "What all other checks of this server stand on is missing; they are left out."


def judge(underlay: Underlay) -> Check:
    """Return the verdict on a server that answered: its way to its peers, with its MTU in bytes."""
    return Check(
        name=NAME,
        host=underlay.server,
        ok=True,
        measured=f"{underlay.source} on '{underlay.device}', MTU {underlay.mtu}",
        expected="a login, the tools, and one device that leads to all peers",
    )


def run(task: Task, scene: Scene) -> Iterator[Check]:
    """Ask one server for its facts; where it has none, later probes leave it alone."""
    cluster, host = scene.cluster, task.host.name
    try:
        done = preflight(task, wanted_server(cluster, cluster.server(host)), builds=False)
    except FarswitchError as error:
        scene.findings.lose(host, "'server.ready' failed")
        yield Check(
            name=NAME,
            host=host,
            ok=False,
            measured=str(error),
            expected="a login, the tools, and one device that leads to all peers",
            cause=CAUSE,
            fix=error.hint,
        )
        return
    task.host.data[FACTS] = done.result
    yield judge(done.result.underlay)


PROBE = Probe(
    "servers",
    {NAME: "The server can be logged in to, has its tools, and leads to its peers."},
    run,
    vital="always",
)

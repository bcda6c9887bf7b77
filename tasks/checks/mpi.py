"""Does MPI work across the guests, and do its bytes cross the far switch?"""

from __future__ import annotations

from collections.abc import Iterator

from nornir.core.task import Task

from connections.access import shell
from tasks.check import Check
from tasks.checks import path
from tasks.mpi_run import around_mtu, launch, ring
from tasks.probe import Probe, Scene

PAYLOAD = 4_000_000
"""Bytes of the message whose way is counted: many times what the job's start costs."""


def run(task: Task, scene: Scene) -> Iterator[Check]:
    """Run MPI from one guest over all of them, with the counters of both servers read around it."""
    cluster, host, login = scene.cluster, task.host.name, shell(task)
    guests = scene.there()
    launched = launch(login, cluster.settings, guests[:2])
    said = ", ".join(launched.names)
    yield Check("mpi.launcher", host, ok=True, measured=said, expected="two nodes, four ranks")
    before = _counters(scene)
    around = ring(login, cluster.settings, guests, (*around_mtu(scene.mtu), PAYLOAD))
    after = _counters(scene)
    for lap in around.laps:
        measured = f"{lap.size} B around {len(around.nodes)} nodes in {lap.seconds * 1e3:.1f} ms"
        yield Check("mpi.ring", host, lap.intact, measured, "every message intact")
    payload = sum(lap.size for lap in around.laps)
    ports, taps = (path.growth(old, new) for old, new in zip(before, after, strict=True))
    yield from path.judge(cluster, guests, payload, ports, taps)


def _counters(scene: Scene) -> tuple[dict[str, path.Count], dict[str, path.Count]]:
    """Read the switch's ports and all management taps."""
    cluster, guests = scene.cluster, scene.there()
    ports = path.read(scene.shell(cluster.switch.name), [guest.tunnel for guest in guests])
    taps: dict[str, path.Count] = {}
    for server in cluster.hypervisors:
        names = [one.management_tap for one in guests if one.hypervisor == server.name]
        if names:
            taps |= path.read(scene.shell(server.name), names)
    return ports, taps


PROBE = Probe(
    "head",
    {
        "mpi.launcher": "The launcher starts processes on two nodes.",
        "mpi.ring": "Messages of all sizes come around all nodes intact.",
        "path.switch": "The payload crossed the switch.",
        "path.management": "Management carried none of it.",
    },
    run,
    needs=("reach", "ssh"),
)

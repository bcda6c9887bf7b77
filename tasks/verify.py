"""The proof that MPI works across the guests and that its bytes cross the far switch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nornir.core.inventory import Host
from nornir.core.task import Result, Task

from connections.access import shell
from inventory.errors import FarswitchError
from inventory.model import Cluster, Guest
from tasks.check import Check
from tasks.checks import path
from tasks.mpi_run import Launch, Ring, around_mtu, describe, launch, ring

PAYLOAD = 4_000_000
"""Bytes of the message whose way is counted: many times what the job's start costs."""


def verify(
    task: Task,
    cluster: Cluster,
    guests: Sequence[Guest],
    mtu: int,
    servers: Mapping[str, Host],
) -> Result:
    """Run MPI from one guest over all of them, with the counters of both servers read around it.

    Args:
        task: Runs on the guest that starts the jobs.
        cluster: The cluster.
        guests: All guests.
        mtu: Of the data network, in bytes.
        servers: Nornir's hosts of the servers, by name.
    """
    login, settings, host = shell(task), cluster.settings, task.host.name
    checks: list[Check] = []
    notes: list[str] = []
    try:
        launched = launch(login, settings, guests[:2])
        checks.append(_launched(host, launched))
        before = _counters(cluster, guests, servers)
        around = ring(login, settings, guests, (*around_mtu(mtu), PAYLOAD))
        after = _counters(cluster, guests, servers)
        checks += _rung(host, around)
        payload = sum(lap.size for lap in around.laps)
        ports, taps = (path.growth(old, new) for old, new in zip(before, after, strict=True))
        checks += path.judge(cluster, guests, payload, ports, taps)
        notes = describe(launched, around)
    except FarswitchError as error:
        name = "mpi.launcher" if not checks else "mpi.ring"
        checks.append(
            Check(name, host, ok=False, measured=str(error), expected="MPI runs", hint=error.hint)
        )
    return Result(host=task.host, checks=checks, notes=notes)


def _launched(host: str, launched: Launch) -> Check:
    said = ", ".join(launched.names)
    return Check("mpi.launcher", host, ok=True, measured=said, expected="two nodes, four ranks")


def _rung(host: str, around: Ring) -> list[Check]:
    return [
        Check(
            name="mpi.ring",
            host=host,
            ok=lap.intact,
            measured=f"{lap.size} B around {len(around.nodes)} nodes in {lap.seconds * 1e3:.1f} ms",
            expected="every message intact",
        )
        for lap in around.laps
    ]


def _counters(
    cluster: Cluster, guests: Sequence[Guest], servers: Mapping[str, Host]
) -> tuple[dict[str, path.Count], dict[str, path.Count]]:
    """Read the switch's ports and all management taps."""
    ports = path.read(shell(servers[cluster.switch.name]), [guest.tunnel for guest in guests])
    taps: dict[str, path.Count] = {}
    for server in cluster.hypervisors:
        names = [one.management_tap for one in guests if one.hypervisor == server.name]
        if names:
            taps |= path.read(shell(servers[server.name]), names)
    return ports, taps

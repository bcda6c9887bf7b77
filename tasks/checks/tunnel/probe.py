"""The tunnels as a whole: both ends side by side, the bridges' ports, and who is behind them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from nornir.core.task import Task

from farswitch.connections.netlink import fdb
from farswitch.connections.netlink.fdb import Entry
from farswitch.connections.netlink.links import Link, dump
from farswitch.guests.server_facts import facts_of
from farswitch.model.machines import Server
from farswitch.proof.check import Check
from farswitch.proof.fan_out import each_or_raise
from farswitch.proof.probe import Probe, Scene
from tasks.checks.tunnel.ends import judge_ends, judge_vnis
from tasks.checks.tunnel.observed import Sight
from tasks.checks.tunnel.ports import judge_ports


def look(scene: Scene) -> dict[str, Sight]:
    """Read interfaces and forwarding databases of all servers side by side.

    Raises:
        FarswitchError: One of them did not answer.
    """
    servers = {server.name: server for server in scene.cluster.servers}

    def read(name: str) -> Sight:
        with scene.netlink(name).session() as ipr:
            return _sight(scene, servers[name], (dump(ipr), fdb.entries(ipr)))

    return each_or_raise(servers, read)


def judge(scene: Scene, sights: Mapping[str, Sight]) -> Iterator[Check]:
    """Yield every verdict on what was seen."""
    cluster, rebuild = scene.cluster, scene.rebuild
    for guest in cluster.guests:
        yield from judge_ends(cluster, guest, sights, rebuild)
    for server in cluster.servers:
        yield from judge_vnis(cluster, sights[server.name], rebuild)
        yield from judge_ports(cluster, sights[server.name], rebuild)


def run(_task: Task, scene: Scene) -> Iterator[Check]:
    """Look at all servers, and judge."""
    yield from judge(scene, look(scene))


def _sight(scene: Scene, server: Server, seen: tuple[Sequence[Link], Sequence[Entry]]) -> Sight:
    device = facts_of(scene.hosts[server.name]).underlay.device
    command = partial(scene.command, server.name)
    return Sight.of(scene.cluster, server, seen, device=device, mtu=scene.mtu, command=command)


PROBE = Probe(
    "switch",
    {
        "tunnel.ends": "Both ends of each guest's tunnel fit, are up, and in their bridges.",
        "tunnel.vni": "No other interface has a guest's VNI.",
        "tunnel.ports": "Each bridge has its guests' ports, and no others.",
    },
    run,
)

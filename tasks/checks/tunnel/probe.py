"""The tunnels as a whole: both ends side by side, the bridges' ports, and who is behind them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nornir.core.task import Task

from farswitch.connections.access import netlink
from farswitch.proof.check import Check
from farswitch.proof.context import Context
from farswitch.proof.probe import Observed, Probe, Proof, of_all
from tasks.checks.tunnel.ends import judge_ends, judge_vnis
from tasks.checks.tunnel.observed import TunnelState
from tasks.checks.tunnel.ports import judge_ports


def observe(task: Task, context: Context) -> TunnelState:
    """Read interfaces and forwarding databases of a server."""
    with netlink(task).session() as ipr:
        return TunnelState.read(ipr, context, context.cluster.server(task.host.name))


def judge(context: Context, observed: Mapping[str, TunnelState]) -> Iterator[Check]:
    """Yield every verdict on what was observed."""
    cluster, rebuild = context.cluster, context.rebuild
    for guest in cluster.guests:
        yield from judge_ends(cluster, guest, observed, rebuild)
    for server in observed.values():
        yield from judge_vnis(cluster, server, rebuild)
        yield from judge_ports(cluster, server, rebuild)


def prove(context: Context) -> Proof:
    """Read all servers, and judge; what one has says nothing without its peer."""
    observed: Observed[TunnelState] = yield {"servers": observe}
    servers = of_all((server.name for server in context.cluster.servers), observed, context)
    return {context.cluster.switch.name: judge(context, servers)}


PROBE = Probe(
    "switch",
    {
        "tunnel.ends": "Both ends of each guest's tunnel fit, are up, and in their bridges.",
        "tunnel.vni": "No other interface has a guest's VNI.",
        "tunnel.ports": "Each bridge has its guests' ports, and no others.",
    },
    prove,
)

"""Whether the tunnels' UDP gets from server to server, before anything is changed.

It is caught where it arrives, before any firewall of the receiver sees it, and a sender whose own
rules forbid it is let off: what a build opens by itself is no obstacle, what lies between is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nornir.core.inventory import Host
from nornir.core.task import Result, Task

from farswitch.connections.access import shell
from farswitch.errors import ConfigError
from farswitch.guests.server_facts import facts_of
from farswitch.links.underlay import ends
from farswitch.model.cluster import Cluster
from farswitch.proof.path_mtu import FORBIDDEN, OFFSETS, SMALL, Passages, plain, staffed, try_sizes

SECONDS = 25
"""How long it may take in all; where all is well it is over at once."""
ATTEMPTS = 6


def tunnel_port(task: Task, cluster: Cluster, hosts: Mapping[str, Host]) -> Result:
    """Send UDP to the tunnels' port, both ways between each hypervisor and the switch.

    Args:
        task: Nornir's task, on one host for all.
        cluster: The cluster.
        hosts: The servers' Nornir hosts, which preflight has seen.

    Raises:
        ConfigError: It does not arrive.
    """
    devices = {one.name: facts_of(hosts[one.name]).underlay.device for one in cluster.servers}
    known: Passages = {}
    with staffed(devices, lambda name: shell(hosts[name]), SECONDS) as stations:
        for server in cluster.servers:
            offset = OFFSETS[server.underlay.version]
            stations[server.name].listen({devices[server.name]: offset})
        lanes = [plain(cluster, devices[pair[1].name], "udp", *pair) for pair in ends(cluster)]
        try_sizes(stations, dict.fromkeys(lanes, (SMALL,)), known, ATTEMPTS)
    if found := list(judge(known)):
        raise ConfigError(
            "\n".join(found),
            hint="Open it in what lies between the servers: a provider's security group, the "
            "filter of a router or a virtual switch. Nothing was changed.",
        )
    return Result(host=task.host)


def judge(known: Passages) -> Iterator[str]:
    """Yield a sentence for each way on which nothing arrived."""
    for lane, way in known.items():
        why = way.errors.get(SMALL, "")
        if way.passed or why == FORBIDDEN:
            continue
        what = f"cannot be sent to: {why}" if why else f"nothing arrives at '{lane.interface}'"
        yield f"UDP port {lane.port} of '{lane.receiver}', from '{lane.sender}': {what}."

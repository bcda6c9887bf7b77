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
from farswitch.proof.packet_agent import Listen, Refused
from farswitch.proof.path_mtu import (
    FORBIDDEN,
    OFFSETS,
    SMALL,
    PacketPath,
    PathMtu,
    packet_agents,
    try_sizes,
    underlay_path,
)

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
    results: dict[PacketPath, PathMtu] = {}
    with packet_agents(devices, lambda name: shell(hosts[name]), SECONDS) as agents:
        for server in cluster.servers:
            offset = OFFSETS[server.underlay.version]
            agents[server.name].ask(Listen(offsets={devices[server.name]: offset}), Refused)
        paths = [
            underlay_path(cluster, devices[pair[1].name], "udp", *pair) for pair in ends(cluster)
        ]
        try_sizes(agents, dict.fromkeys(paths, (SMALL,)), results, ATTEMPTS)
    if found := list(judge(results)):
        raise ConfigError(
            "\n".join(found),
            hint="Open it in what lies between the servers: a provider's security group, the "
            "filter of a router or a virtual switch. Nothing was changed.",
        )
    return Result(host=task.host)


def judge(results: Mapping[PacketPath, PathMtu]) -> Iterator[str]:
    """Yield a sentence for each path on which nothing arrived."""
    for path, mtu in results.items():
        why = mtu.errors.get(SMALL, "")
        if mtu.passed or why == FORBIDDEN:
            continue
        what = f"cannot be sent to: {why}" if why else f"nothing arrives at '{path.interface}'"
        yield f"UDP port {path.port} of '{path.receiver}', from '{path.sender}': {what}."

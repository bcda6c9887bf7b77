"""Whether the tunnels' UDP gets from server to server, before anything is changed.

It is caught where it arrives, before any firewall of the receiver sees it, and a sender whose own
rules forbid it is let off: what a build opens by itself is no obstacle, what lies between is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address

from nornir.core.inventory import Host
from nornir.core.task import Result, Task

from farswitch.connections.access import shell
from farswitch.errors import ConfigError, FarswitchError
from farswitch.proof.packet_agent import Listen, Refused
from farswitch.proof.path_mtu import (
    FORBIDDEN,
    OFFSETS,
    SMALL,
    PacketPath,
    PathMtu,
    packet_agents,
    try_sizes,
)

SECONDS = 25
"""How long it may take in all; where all is well it is over at once."""
ATTEMPTS = 6


def underlay_udp(task: Task, paths: Sequence[PacketPath], hosts: Mapping[str, Host]) -> Result:
    """Send UDP to the tunnels' port, along each path between two servers.

    Args:
        task: Nornir's task, on one host for all.
        paths: Those that tunnels will take; each server is the receiver of one.
        hosts: The servers' Nornir hosts.

    Raises:
        ConfigError: It does not arrive.
        FarswitchError: A server cannot catch it.
    """
    offsets = {
        path.receiver: {path.interface: OFFSETS[ip_address(path.to).version]} for path in paths
    }
    results: dict[PacketPath, PathMtu] = {}
    with packet_agents(offsets, lambda name: shell(hosts[name]), SECONDS) as agents:
        for name, agent in agents.items():
            reply = agent.ask(Listen(offsets=offsets[name]), Refused)
            for interface, why in reply.refused.items():
                raise FarswitchError(
                    f"'{name}' cannot catch packets on '{interface}': {why}.",
                    hint="The server needs packet sockets for root (CAP_NET_RAW, AF_PACKET).",
                )
        try_sizes(agents, dict.fromkeys(paths, (SMALL,)), results, ATTEMPTS)
    if lost := list(_lost(results)):
        raise ConfigError(
            "\n".join(lost),
            hint="Open it in what lies between the servers: a provider's security group, the "
            "filter of a router or a virtual switch. Nothing was changed.",
        )
    return Result(host=task.host)


def _lost(results: Mapping[PacketPath, PathMtu]) -> Iterator[str]:
    """Yield a sentence for each path on which nothing arrived."""
    for path, mtu in results.items():
        why = mtu.errors.get(SMALL, "")
        if mtu.passed or why == FORBIDDEN:
            continue
        what = f"cannot be sent to: {why}" if why else f"nothing arrives at '{path.interface}'"
        yield f"UDP port {path.port} of '{path.receiver}', from '{path.sender}': {what}."

"""Whether the tunnels' UDP gets from server to server, before anything is changed.

It is caught where it arrives, before any firewall of the receiver sees it, and a sender whose own
rules forbid it is let off: what a build opens by itself is no obstacle, what lies between is.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping

from nornir.core.inventory import Host
from nornir.core.task import Result, Task

from connections.access import shell
from inventory.errors import ConfigError
from inventory.model import Cluster, Server
from tasks.lanes import FORBIDDEN, OFFSETS, SMALL, Lane, Passages, staffed, try_sizes
from tasks.preflight import facts_of
from tasks.underlay import peers

SECONDS = 25
"""How long it may take in all; it takes half a second where all is well."""
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
    token = b"F" + secrets.token_bytes(3)  # as VXLAN it has no valid VNI: none takes it in
    known: Passages = {}
    with staffed(devices, lambda name: shell(hosts[name]), token, SECONDS) as stations:
        for server in cluster.servers:
            offset = OFFSETS[server.underlay.version]
            stations[server.name].listen({devices[server.name]: offset})
        wanted = dict.fromkeys(lanes(cluster, devices), (SMALL,))
        try_sizes(stations, wanted, known, ATTEMPTS)
    if found := list(judge(known)):
        raise ConfigError(
            "\n".join(found),
            hint="Open it in what lies between the servers: a provider's security group, the "
            "filter of a router or a virtual switch. Nothing was changed.",
        )
    return Result(host=task.host)


def lanes(cluster: Cluster, devices: Mapping[str, str]) -> Iterator[Lane]:
    """Yield the ways that tunnels take; `devices` are the servers' devices of the underlay."""
    for number, sender in enumerate(cluster.servers):
        for receiver in peers(cluster, sender):
            yield _lane(cluster, number + 1, sender, receiver, devices[receiver.name])


def judge(known: Passages) -> Iterator[str]:
    """Yield a sentence for each way on which nothing arrived."""
    for lane, way in known.items():
        why = way.errors.get(SMALL, "")
        if way.passed or why == FORBIDDEN:
            continue
        what = f"cannot be sent to: {why}" if why else f"nothing arrives at '{lane.interface}'"
        yield f"UDP port {lane.port} of '{lane.receiver}', from '{lane.sender}': {what}."


def _lane(cluster: Cluster, mark: int, sender: Server, receiver: Server, device: str) -> Lane:
    return Lane(
        sender.name, receiver.name, device, "udp", mark, str(receiver.underlay),
        cluster.settings.udp_port, str(sender.underlay),
    )  # fmt: skip

"""Whether the tunnels' UDP gets from server to server, before anything is changed.

It is caught where it arrives, and behind the hooks of the device there, before any other firewall
of the receiver sees it. What a build opens by itself is no obstacle: a sender whose own rules
forbid it, and a receiver whose rules on devices do, are let off. What lies between is one, and so
is a program on a device (`tc`, XDP) that drops it: what such a one does can only be tried.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_address

from nornir.core.inventory import Host
from nornir.core.task import Result, Task

from farswitch.connections.access import shell
from farswitch.errors import ObstaclesError
from farswitch.firewall import read
from farswitch.links.underlay import LowerDevice
from farswitch.proof.packet_agent import BEHIND, listen
from farswitch.proof.path_mtu import (
    FORBIDDEN,
    OFFSETS,
    SMALL,
    PacketPath,
    PathMtu,
    arrive_at,
    packet_agents,
    try_sizes,
)
from farswitch.proof.underlay_lost import Lost, UnderlayEnd, judge

SECONDS = 25
"""How long it may take in all; where all is well it is over at once."""
ATTEMPTS = 6
INWARD = frozenset({"dummy", "ifb"})
"""Kinds of interfaces that no other machine sends to."""


def underlay_udp(
    task: Task,
    paths: Sequence[PacketPath],
    hosts: Mapping[str, Host],
    *,
    below: Mapping[str, Sequence[LowerDevice]] | None = None,
) -> Result:
    """Send UDP to the tunnels' port, along each path between two servers.

    Args:
        task: Nornir's task, on one host for all.
        paths: Those that tunnels will take; each server is the receiver of one.
        hosts: The servers' Nornir hosts.
        below: By server what carries its underlay's device.

    Raises:
        ObstaclesError: It does not arrive.
        FarswitchError: A server cannot catch it.
    """
    devices = {path.receiver: path.interface for path in paths}
    offsets = {path.receiver: OFFSETS[ip_address(path.to).version] for path in paths}
    results: dict[PacketPath, PathMtu] = {}
    with packet_agents(devices, lambda name: shell(hosts[name]), SECONDS) as agents:
        for name, agent in agents.items():
            for behind in (False, True):
                listen(agent, name, {devices[name]: offsets[name]}, behind=behind)
        try_sizes(
            agents, dict.fromkeys((*paths, *map(_behind, paths)), (SMALL,)), results, ATTEMPTS
        )
        lost = [_lost(path, results) for path in paths if not results[_behind(path)].passed]
        lost = [one for one in lost if one.error != FORBIDDEN]
        nowhere = [one.path for one in lost if not (one.arrived or one.error)]
        for name in {path.receiver for path in nowhere}:
            listen(agents[name], name, {"": offsets[name]})
        seen = arrive_at(agents, nowhere, SMALL) if nowhere else {}
    lost = [
        replace(one, seen=seen[one.path], strict=_strict(hosts, one.path))
        if one.path in seen
        else one
        for one in lost
    ]
    ends = {
        name: UnderlayEnd(
            device, tuple((below or {}).get(name, ())), read.observe(shell(hosts[name]))
        )
        for name, device in (devices.items() if lost else ())
    }
    if found := list(judge(lost, ends)):
        raise ObstaclesError(found)
    return Result(host=task.host)


def _behind(path: PacketPath) -> PacketPath:
    """Return the path to behind the hooks of the receiver's device."""
    return replace(path, interface=f"{BEHIND}{path.interface}")


def _lost(path: PacketPath, results: Mapping[PacketPath, PathMtu]) -> Lost:
    error = results[path].errors.get(SMALL, "")
    return Lost(path, error, arrived=bool(results[path].passed))


def _strict(hosts: Mapping[str, Host], path: PacketPath) -> frozenset[str]:
    """Return the interfaces with the receiver's address where it takes nothing from the sender.

    None where the path's own has it too, and no dummies: nothing comes in there.
    """
    receiver = shell(hosts[path.receiver])
    asked = receiver.run(["ip", "-d", "-j", "address", "show", "to", path.to])
    kinds = {
        one["ifname"]: one.get("linkinfo", {}).get("info_kind")
        for one in json.loads(asked.stdout or "[]")
        if one
    }
    if path.interface in kinds:
        return frozenset()
    question = ["ip", "route", "get", path.to, "from", path.source, "iif"]
    return frozenset(
        name
        for name, kind in kinds.items()
        if name != "lo"
        and kind not in INWARD
        and receiver.run([*question, name], check=False).status
    )

"""Which sizes get through: packets from one server to an interface of another, searched."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from farswitch.connections.shell.base import Shell
from farswitch.deadline import Deadline
from farswitch.links.underlay import ends
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Server
from farswitch.pace import patient
from farswitch.proof.packet_agent import (
    Arrival,
    Arrivals,
    Collect,
    PacketToSend,
    Send,
    SendErrors,
    packet_agent,
)
from farswitch.remote.packet_bytes import between
from farswitch.remote_program import RemoteProgram

SERVER_MARK = 1 << 24
"""What a server's mark is counted from: above every VNI (24 bits, RFC 7348)."""
FORBIDDEN = "Operation not permitted"
"""The error of a sender whose own rules drop a packet (EPERM)."""
OFFSETS = {4: 28, 6: 48}
"""Bytes of the headers of IP and UDP, by IP's version: where a token of ours begins."""
SMALL = 100
"""Bytes that every path carries (68 by RFC 791), and that hold our mark behind all headers."""
PATIENCE = 0.5
"""Seconds that a packet may take; it takes some milliseconds."""
ATTEMPTS = 3
EVERYWHERE = 1000
"""Interfaces of a server, at most, that a packet is looked for on."""


@dataclass(frozen=True, slots=True)
class PacketPath:
    """The path of packets of one kind between two servers; they arrive at `interface`.

    `mark`, `to`, `port` and `source` are of its packets, see `PacketToSend`.
    """

    sender: str
    receiver: str
    interface: str
    kind: str
    mark: int
    to: str
    port: int
    source: str

    def packet(self, size: int) -> PacketToSend:
        """Return a packet of a size in bytes of IP packet."""
        return PacketToSend(self.kind, self.mark, size, self.to, self.port, self.source)


@dataclass(slots=True)
class PathMtu:
    """What a path let through: sizes that arrived, and why others could not be sent."""

    passed: set[int] = field(default_factory=set)
    stopped: set[int] = field(default_factory=set)
    errors: dict[int, str] = field(default_factory=dict)

    @property
    def largest(self) -> int | None:
        """The largest size that arrived, or None."""
        return max(self.passed, default=None)

    @property
    def gap(self) -> tuple[int, int] | None:
        """The largest that arrived and the smallest that did not, while there are some between."""
        low, high = self.largest, min(self.stopped, default=None)
        return (low, high) if low is not None and high is not None and low + 1 < high else None


Agents = Mapping[str, RemoteProgram]
"""The servers' packet agents, by the servers' names."""
Sized = tuple[PacketPath, int]
"""A path, and a size in bytes."""


def underlay_path(
    cluster: Cluster, device: str, kind: str, sender: Server, receiver: Server
) -> PacketPath:
    """Return the path over the underlay itself, to the receiver's `device`.

    `kind` is `udp`, to the tunnels' port, or `icmp`.
    """
    return PacketPath(
        sender.name, receiver.name, device, kind, SERVER_MARK + cluster.servers.index(sender),
        str(receiver.underlay), cluster.settings.udp_port, str(sender.underlay),
    )  # fmt: skip


def tunnel_paths(cluster: Cluster, devices: Mapping[str, str]) -> tuple[PacketPath, ...]:
    """Return the paths of UDP that the cluster's tunnels take.

    Args:
        cluster: The cluster.
        devices: The underlay's device of each server.
    """
    return tuple(
        underlay_path(cluster, devices[receiver.name], "udp", sender, receiver)
        for sender, receiver in ends(cluster)
    )


@contextmanager
def packet_agents(
    names: Iterable[str], login: Callable[[str], Shell], seconds: int
) -> Iterator[dict[str, RemoteProgram]]:
    """Yield a packet agent on each server.

    They end by themselves after `seconds`.

    Raises:
        FarswitchError: One does not start.
    """
    token = b"F" + secrets.token_bytes(3)  # as VXLAN it has no valid VNI: none takes it in
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(packet_agent(login(name), token, seconds)) for name in names
        }


def try_sizes(
    agents: Agents,
    wanted: Mapping[PacketPath, Sequence[int]],
    results: dict[PacketPath, PathMtu],
    attempts: int = ATTEMPTS,
) -> None:
    """Send each path's sizes, again where they get lost, and add what arrived to the results.

    Args:
        agents: The servers.
        wanted: The sizes of each path.
        results: What is known of the paths.
        attempts: How often a size is sent until it arrives.

    Raises:
        RemoteProgramError: A server's program ended.
    """
    due = {(path, size) for path, sizes in wanted.items() for size in sizes}
    for path, _ in due:
        results.setdefault(path, PathMtu())
    for _ in range(attempts):
        failed = _send(agents, due)
        for path, size in due - failed.keys():
            results[path].errors.pop(size, None)  # of an earlier attempt
        for (path, size), why in failed.items():
            results[path].errors[size] = why
        arrived = _arrived(agents, due - failed.keys())
        for path, size in arrived:
            results[path].passed.add(size)
        due -= arrived
        if not due - failed.keys():
            break
    for path, size in due:
        results[path].stopped.add(size)


def arrive_at(
    agents: Agents, paths: Sequence[PacketPath], size: int
) -> dict[PacketPath, frozenset[str]]:
    """Send packets, and return the interfaces of the receivers at which those of a path came in.

    Raises:
        RemoteProgramError: A server's program ended.
    """
    _send(agents, {(path, size) for path in paths})
    came: dict[str, frozenset[Arrival]] = {}
    for name in {path.receiver for path in paths}:
        wanted = Collect(count=len(paths) * EVERYWHERE, seconds=patient(PATIENCE))
        came[name] = agents[name].ask(wanted, Arrivals).arrivals
    return {
        path: frozenset(
            one.interface
            for one in came[path.receiver]
            if (one.kind, one.mark) == (path.kind, path.mark)
        )
        for path in paths
    }


def search(agents: Agents, results: dict[PacketPath, PathMtu]) -> None:
    """Find the largest size of each path that let some through and stopped others."""
    while wanted := {path: between(*mtu.gap) for path, mtu in results.items() if mtu.gap}:
        try_sizes(agents, wanted, results, attempts=1)


def _send(agents: Agents, wanted: set[Sized]) -> dict[Sized, str]:
    """Send from all servers at once; return what could not be sent, and why."""
    by_sender = {name: [sized for sized in wanted if sized[0].sender == name] for name in agents}
    for name, agent in agents.items():
        agent.send(Send(packets=[path.packet(size) for path, size in by_sender[name]]))
    errors: dict[Sized, str] = {}
    for name, agent in agents.items():
        replies = zip(by_sender[name], agent.receive(SendErrors).errors, strict=True)
        errors |= {sized: why for sized, why in replies if why}
    return errors


def _arrived(agents: Agents, wanted: set[Sized]) -> set[Sized]:
    """Wait for packets on all servers at once; return those that came."""
    expected: dict[str, dict[Arrival, Sized]] = {name: {} for name in agents}
    for path, size in wanted:
        arrival = Arrival(path.interface, path.kind, path.mark, size)
        expected[path.receiver][arrival] = (path, size)
    arrived: set[Sized] = set()
    deadline = Deadline(patient(PATIENCE))
    while not deadline.passed() and (
        due := {name: left for name, left in expected.items() if left}
    ):
        for name, left in due.items():
            agents[name].send(Collect(count=len(left), seconds=deadline.remaining()))
        for name, left in due.items():
            came = agents[name].receive(Arrivals).arrivals & left.keys()
            arrived |= {left.pop(arrival) for arrival in came}
    return arrived

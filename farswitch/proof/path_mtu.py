"""Which sizes get through: packets from one server to an interface of another, searched."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from farswitch.connections.shell.protocol import Shell
from farswitch.deadline import Deadline
from farswitch.errors import FarswitchError
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Server
from farswitch.proof.fan_out import each, each_or_raise
from farswitch.proof.packet_agent import Arrival, Packet, Station

T = TypeVar("T")
SERVER_MARK = 1 << 24
"""What a server's mark is counted from: above every VNI (24 bits, RFC 7348)."""
FORBIDDEN = "Operation not permitted"
"""What a sender is told whose own rules drop a packet (EPERM)."""
OFFSETS = {4: 28, 6: 48}
"""Bytes of the headers of IP and UDP, by IP's version: where a token of ours begins."""
SMALL = 100
"""Bytes that every way carries (68 by RFC 791), and that hold our mark behind all headers."""
PATIENCE = 0.5
"""Seconds that a packet may take; it takes some milliseconds."""
ATTEMPTS = 3
STEPS = 40
"""Sizes that one round of the search sends: 9,000 bytes take three rounds."""


@dataclass(frozen=True, slots=True)
class Lane:
    """A way that packets of one kind take between two servers; `interface` is where they arrive.

    `mark`, `to`, `port` and `source` are of its packets, see `Packet`.
    """

    sender: str
    receiver: str
    interface: str
    kind: str
    mark: int
    to: str
    port: int
    source: str

    def packet(self, size: int) -> Packet:
        """Return a packet of a size in bytes of IP packet."""
        return Packet(self.kind, self.mark, size, self.to, self.port, self.source)


@dataclass(slots=True)
class Passage:
    """What a lane let through: sizes that arrived, and why others could not be sent."""

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


def plain(cluster: Cluster, device: str, kind: str, sender: Server, receiver: Server) -> Lane:
    """Return the lane of the underlay itself, to the receiver's `device`.

    `kind` is `udp`, to the tunnels' port, or `icmp`.
    """
    return Lane(
        sender.name, receiver.name, device, kind, SERVER_MARK + cluster.servers.index(sender),
        str(receiver.underlay), cluster.settings.udp_port, str(sender.underlay),
    )  # fmt: skip


Sizes = Mapping[Lane, Sequence[int]]
Passages = dict[Lane, Passage]


@contextmanager
def staffed(
    names: Iterable[str], login: Callable[[str], Shell], seconds: int
) -> Iterator[dict[str, Station]]:
    """Yield a station on each server, all opened at once.

    Args:
        names: The servers.
        login: Returns a server's shell.
        seconds: When the stations end by themselves.

    Raises:
        FarswitchError: One does not open.
    """
    token = b"F" + secrets.token_bytes(3)  # as VXLAN it has no valid VNI: none takes it in
    with ExitStack() as stack:
        opened = each(names, lambda name: Station(login(name), token, seconds))
        stations = {
            name: stack.enter_context(station)
            for name, station in opened.items()
            if isinstance(station, Station)
        }
        for station in opened.values():
            if isinstance(station, FarswitchError):
                raise station
        yield stations


def try_sizes(
    stations: Mapping[str, Station], wanted: Sizes, known: Passages, attempts: int = ATTEMPTS
) -> None:
    """Send each lane's sizes, again where they get lost, and add what arrived to `known`.

    Args:
        stations: The servers.
        wanted: The sizes of each lane.
        known: What is known of the lanes.
        attempts: How often a size is sent until it arrives.

    Raises:
        FarswitchError: A server's program ended.
    """
    open_ = {(lane, size) for lane, sizes in wanted.items() for size in sizes}
    for lane, _ in open_:
        known.setdefault(lane, Passage())
    for _ in range(attempts):
        failed = _send(stations, open_)
        for (lane, size), why in failed.items():
            known[lane].errors[size] = why
        arrived = _arrived(stations, open_ - failed.keys())
        for lane, size in arrived:
            known[lane].passed.add(size)
        open_ -= arrived
        if not open_ - failed.keys():
            break
    for lane, size in open_:
        known[lane].stopped.add(size)


def search(stations: Mapping[str, Station], known: Passages) -> None:
    """Find the largest size of each lane that let some through and stopped others."""
    while gaps := {lane: way.gap for lane, way in known.items()}:
        wanted = {lane: between(*gap) for lane, gap in gaps.items() if gap}
        if not wanted:
            return
        try_sizes(stations, wanted, known, attempts=1)


def between(low: int, high: int) -> tuple[int, ...]:
    """Return sizes that cut the range between two evenly; at most `STEPS` of them."""
    step = -(-(high - low) // (STEPS + 1))
    return tuple(range(low + step, high, step))


def _send(
    stations: Mapping[str, Station], wanted: set[tuple[Lane, int]]
) -> dict[tuple[Lane, int], str]:
    """Send from all servers at once; return what could not be sent, and why."""
    by_sender = {name: [one for one in wanted if one[0].sender == name] for name in stations}

    def call(name: str) -> list[str | None]:
        return stations[name].send([lane.packet(size) for lane, size in by_sender[name]])

    errors: dict[tuple[Lane, int], str] = {}
    for name, answers in each_or_raise(stations, call).items():
        errors |= {one: why for one, why in zip(by_sender[name], answers, strict=True) if why}
    return errors


def _arrived(
    stations: Mapping[str, Station], wanted: set[tuple[Lane, int]]
) -> set[tuple[Lane, int]]:
    """Wait for packets on all servers at once; return those that came."""
    expected: dict[str, dict[Arrival, tuple[Lane, int]]] = {name: {} for name in stations}
    for lane, size in wanted:
        arrival = Arrival(lane.interface, lane.kind, lane.mark, size)
        expected[lane.receiver][arrival] = (lane, size)

    def call(name: str) -> set[tuple[Lane, int]]:
        found: set[tuple[Lane, int]] = set()
        deadline = Deadline(PATIENCE)
        while len(found) < len(expected[name]) and not deadline.passed():
            left = len(expected[name]) - len(found)
            came = stations[name].seen(left, deadline.remaining())
            found |= {expected[name][one] for one in came if one in expected[name]}
        return found

    return {one for found in each_or_raise(stations, call).values() for one in found}

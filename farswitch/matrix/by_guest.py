"""A matrix of guests, made of what was counted of addresses at ports; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from farswitch.matrix.reading import MatrixReading, PortCount, TrafficCount
from farswitch.model.switch import SwitchPort

BROADCAST, MULTICAST = "broadcast", "multicast"
JOINED = 60 + 60
"""Bytes of headers at most, IPv4 and TCP with options, that go with each segment that is joined."""
_ALL = "ff:ff:ff:ff:ff:ff"


@dataclass(frozen=True, slots=True)
class PairCount:
    """What came of one sender for one receiver, by the port of which guest.

    A sender or receiver is a guest's name, or an address (MAC) that is no guest's of the cluster; a
    receiver also `BROADCAST` or `MULTICAST`.
    """

    sender: str
    receiver: str
    guest: str
    count: TrafficCount

    @property
    def row(self) -> str:
        """What its row is called: the sender, and where it has no business the port's guest."""
        return self.sender if self.sender == self.guest else f"{self.sender} from {self.guest}"


@dataclass(frozen=True, slots=True)
class TrafficMatrix:
    """What was counted in some seconds.

    Attributes:
        guests: In the order of the site.
        pairs: Those between which something went, in the order of the guests.
        ports: What each guest's port itself received.
        missed: What the set had no room for.
        steady: Whether pairs and ports were read with nothing under way.
    """

    seconds: float
    guests: tuple[str, ...]
    pairs: tuple[PairCount, ...]
    ports: Mapping[str, PortCount]
    missed: TrafficCount
    steady: bool

    @property
    def rows(self) -> tuple[str, ...]:
        """The senders: all guests, then those that should not be."""
        return tuple(dict.fromkeys((*self.guests, *(pair.row for pair in self.pairs))))

    @property
    def columns(self) -> tuple[str, ...]:
        """The receivers: all guests, then broadcast and multicast, then what is nobody's."""
        found = sorted({pair.receiver for pair in self.pairs} - {*self.guests}, key=_group_first)
        return (*self.guests, *found)

    @property
    def cells(self) -> dict[tuple[str, str], TrafficCount]:
        """What was counted, by row and column."""
        return {(pair.row, pair.receiver): pair.count for pair in self.pairs}

    def counted(self, guest: str) -> TrafficCount:
        """Return what was counted of all that came by a guest's port."""
        return sum((pair.count for pair in self.pairs if pair.guest == guest), TrafficCount())

    def notes(self) -> Iterator[str]:
        """Yield a sentence on each thing that keeps it from being the ports' counters, exactly."""
        if self.missed.packets:
            yield (
                f"{self.missed.packets:,} frames of {self.missed.bytes:,} bytes are in no cell: "
                "there was no room for more pairs of addresses."
            )
        for guest, port in self.ports.items():
            yield from self._port_notes(guest, port)

    def _port_notes(self, guest: str, port: PortCount) -> Iterator[str]:
        counted = self.counted(guest)
        more = port.received.bytes - counted.bytes
        most = JOINED * (port.received.packets - counted.packets)
        whole = self.steady and not (port.dropped or self.missed.packets)
        if port.received.bytes < 0 or (whole and not 0 <= more <= max(0, most)):
            yield f"The port of {guest} was made anew meanwhile: what it counted before is lost."
            return
        if not (more and self.steady) or self.missed.packets:
            return
        yield (
            f"The port of {guest} received {more:,} bytes more than its row has: of "
            f"{port.received.packets:,} frames it made {counted.packets:,}, by joining segments of "
            "TCP (GRO), and the headers of joined ones are gone. What they carry is in its cell."
        )
        if port.dropped:
            yield f"The port of {guest} dropped {port.dropped:,} frames before they were counted."


def matrix_of(ports: Sequence[SwitchPort], grown: MatrixReading) -> TrafficMatrix:
    """Return the matrix of what was counted between two readings."""
    names = {port.mac: port.guest for port in ports}
    guest_of = {port.tunnel: port.guest for port in ports}
    order = [port.guest for port in ports]
    places = {name: place for place, name in enumerate([*order, BROADCAST, MULTICAST])}
    pairs = [
        PairCount(
            names.get(pair.sender, pair.sender),
            names.get(pair.receiver) or _kind(pair.receiver),
            guest_of[pair.port],
            count,
        )
        for pair, count in grown.pairs.items()
    ]

    def by_place(pair: PairCount) -> tuple[tuple[int, str], ...]:
        return tuple(
            (places.get(one, len(places)), one) for one in (pair.guest, pair.sender, pair.receiver)
        )

    return TrafficMatrix(
        seconds=grown.at,
        guests=tuple(order),
        pairs=tuple(_merged(sorted(pairs, key=by_place))),
        ports={guest_of[name]: count for name, count in grown.ports.items()},
        missed=grown.uncounted,
        steady=grown.steady,
    )


def _merged(pairs: Sequence[PairCount]) -> Iterator[PairCount]:
    """Yield each pair once: all groups of multicast are one receiver."""
    sums: dict[tuple[str, str, str], TrafficCount] = {}
    for pair in pairs:
        key = (pair.sender, pair.receiver, pair.guest)
        sums[key] = sums.get(key, TrafficCount()) + pair.count
    yield from (PairCount(*key, count) for key, count in sums.items())


def _kind(receiver: str) -> str:
    """Return what a receiver's address is that is no guest's (IEEE 802: the group bit)."""
    if receiver == _ALL:
        return BROADCAST
    return MULTICAST if int(receiver[:2], 16) & 1 else receiver


def _group_first(receiver: str) -> tuple[bool, str]:
    return (receiver not in {BROADCAST, MULTICAST}, receiver)

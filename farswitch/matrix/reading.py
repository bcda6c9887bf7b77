"""What the ports of a switch have counted so far, and between two readings; pure.

Bytes are those of the kernel's own counters of a tunnel (`rx_bytes`): a frame of the guest without
the 14 bytes of its Ethernet header, and without what the tunnel puts around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from farswitch.firewall.nft import Json


@dataclass(frozen=True, slots=True, order=True)
class AddressPair:
    """By which port frames came, from which address and to which."""

    port: str
    sender: str
    receiver: str


@dataclass(frozen=True, slots=True)
class TrafficCount:
    """Frames and their bytes; several that a machine handles as one count as one frame."""

    packets: int = 0
    bytes: int = 0

    def __add__(self, other: Self) -> Self:
        return type(self)(self.packets + other.packets, self.bytes + other.bytes)

    def __sub__(self, other: Self) -> Self:
        return type(self)(self.packets - other.packets, self.bytes - other.bytes)


@dataclass(frozen=True, slots=True)
class PortCount:
    """What the kernel counts of a port itself: received, and thrown away behind that."""

    received: TrafficCount = field(default_factory=TrafficCount)
    dropped: int = 0

    def __sub__(self, other: Self) -> Self:
        return type(self)(self.received - other.received, self.dropped - other.dropped)


@dataclass(frozen=True, slots=True)
class MatrixReading:
    """One look.

    Attributes:
        at: When, in seconds of the server's clock since its boot.
        pairs: What was counted of each pair since the table was made.
        ports: What each port itself has counted since it was made.
        uncounted: What the set had no room for.
        steady: No port received anything while they were read: the two agree to the byte.
    """

    at: float
    pairs: Mapping[AddressPair, TrafficCount]
    ports: Mapping[str, PortCount]
    uncounted: TrafficCount
    steady: bool

    def __sub__(self, earlier: Self) -> Self:
        """Return what was counted since an earlier look; `at` is then how many seconds."""
        nothing, none = TrafficCount(), PortCount()
        grown = {
            pair: count - earlier.pairs.get(pair, nothing) for pair, count in self.pairs.items()
        }
        return type(self)(
            at=self.at - earlier.at,
            pairs={pair: count for pair, count in grown.items() if count.packets},
            ports={
                name: count - earlier.ports.get(name, none) for name, count in self.ports.items()
            },
            uncounted=self.uncounted - earlier.uncounted,
            steady=self.steady and earlier.steady,
        )


def parse(printed: str, listed: Iterable[Json]) -> MatrixReading:
    """Read the head that `matrix_read.sh` printed, and what nft listed."""
    (at, steady), *lines = (line.replace(":", " ").split() for line in printed.splitlines())
    pairs: dict[AddressPair, TrafficCount] = {}
    uncounted = TrafficCount()
    for entry in listed:
        if "counter" in entry:
            uncounted = _count(entry["counter"])
        for element in entry.get("set", {}).get("elem", ()):
            found = element["elem"]
            pairs[AddressPair(*found["val"]["concat"])] = _count(found["counter"])
    # Of /proc/net/dev: name, then bytes, packets, errors and drops of what was received.
    ports = {
        name: PortCount(TrafficCount(int(packets), int(size)), int(dropped))
        for name, size, packets, _, dropped, *_ in lines
    }
    return MatrixReading(float(at), pairs, ports, uncounted, steady == "steady")


def _count(counter: Mapping[str, Any]) -> TrafficCount:
    return TrafficCount(int(counter["packets"]), int(counter["bytes"]))

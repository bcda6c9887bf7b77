"""What a server's interfaces take off its kernel, as `interfaces.py` printed it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class InterfaceFacts:
    """An interface: its MTU in bytes, and its offloads by the names that `ethtool -K` takes."""

    name: str
    mtu: int
    offloads: tuple[str, ...]


def interfaces(text: str) -> tuple[InterfaceFacts, ...]:
    """Read the lines of interfaces; others may stand between them."""
    lines = (line.split() for line in text.splitlines())
    return tuple(
        InterfaceFacts(name, int(mtu), tuple(offloads))
        for word, name, mtu, *offloads in (line for line in lines if line[:1] == ["interface"])
    )

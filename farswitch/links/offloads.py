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


def differing(text: str) -> list[str]:
    """Return what `whole_frames.py` printed, a line of a plan an interface.

    An interface that is made has its offloads on: to set them is no change of its own.
    """
    words = {"0": "off", "1": "on"}
    by_name: dict[str, list[str]] = {}
    for name, offload, found, wanted in map(str.split, text.splitlines()):
        by_name.setdefault(name, []).append(f"{offload} {words[found]} -> {words[wanted]}")
    return [f"~ veth {name} {', '.join(parts)}" for name, parts in by_name.items()]

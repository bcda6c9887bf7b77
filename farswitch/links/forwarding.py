"""Forwarding databases: which entry leads a frame elsewhere than it belongs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from farswitch.connections.netlink.fdb import ANYBODY, Entry
from farswitch.model.links import Tunnel

Forwarding: TypeAlias = Mapping[str, Mapping[str, str]]
"""By bridge and guest's MAC address: the one port of the bridge that leads there."""


def misplaced(entry: Entry, forwarding: Forwarding) -> bool:
    """Return whether an entry leads frames to a guest elsewhere, or to the server itself."""
    port = forwarding.get(entry.bridge or "", {}).get(entry.mac)
    return port is not None and (entry.local or entry.device != port)


def astray(tunnel: Tunnel, entries: Sequence[Entry]) -> Iterator[str]:
    """Yield what is wrong with where a tunnel sends frames, as sentences' parts.

    The entries are those of the tunnel itself.
    """
    if not any(entry.mac == ANYBODY and _leads_home(entry, tunnel) for entry in entries):
        yield f"{tunnel.name} sends to no far end {tunnel.remote}"
    for entry in entries:
        if not _leads_home(entry, tunnel):
            whose = "all frames" if entry.mac == ANYBODY else entry.mac
            yield f"{tunnel.name} sends {whose} to {entry.far}"


def of_tunnels(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    """Return the entries of the tunnels themselves, by tunnel."""
    by_tunnel: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.far is not None:
            by_tunnel.setdefault(entry.device, []).append(entry)
    return by_tunnel


def plan(
    have: Sequence[Entry], forwarding: Forwarding, tunnels: Sequence[Tunnel]
) -> tuple[list[Entry], list[Tunnel]]:
    """Return the entries to remove, and the tunnels to make anew.

    `have` is all entries of the server; the tunnels are those that are wanted there, and are there.
    """
    wrong = [entry for entry in have if misplaced(entry, forwarding)]
    own = of_tunnels(have)
    lost = [tunnel for tunnel in tunnels if any(astray(tunnel, own.get(tunnel.name, ())))]
    return wrong, lost


def _leads_home(entry: Entry, tunnel: Tunnel) -> bool:
    return entry.far == tunnel.vxlan.remote and entry.mac == ANYBODY and not entry.elsewhere

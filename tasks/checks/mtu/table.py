"""All hops of the guests' packets as a table that people read, the narrowest named below it."""

from __future__ import annotations

from collections.abc import Sequence

from ClusterShell.NodeSet import NodeSet

from tasks.checks.mtu.hops import Hop, explain

HEAD = ("MTU of", "on", "configured", "actual", "effective")


def table(hops: Sequence[Hop]) -> list[str]:
    """Return a row for each kind of hop whose figures are the same, in bytes of IP packet.

    Configured is what the build set, or needs at least of the underlay; actual what is there;
    effective the largest packet of a guest that passes. A hop that is not as configured has a row
    of its own.
    """
    if not hops:
        return []
    alike: dict[tuple[object, ...], list[Hop]] = {}
    for hop in hops:
        name = _kind(hop) if hop.good else hop.what
        alike.setdefault((name, hop.wanted, hop.found, hop.overhead), []).append(hop)
    rows = [HEAD, *(_row(str(name), group) for (name, *_), group in alike.items())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join((*map(str.ljust, row[:2], widths[:2]), *map(str.rjust, row[2:], widths[2:])))
        for row in rows
    ]
    return [*(line.rstrip() for line in lines), _bottleneck(hops)]


def _kind(hop: Hop) -> str:
    """Return what a hop is, without names: "tap" of "tap 'fst5001' of 'node1'"."""
    return hop.what.partition("'")[0].strip() if hop.name else "path between servers"


def _row(name: str, group: Sequence[Hop]) -> tuple[str, ...]:
    one, count = group[0], f" ({len(group)})" if len(group) > 1 else ""
    found = "-" if one.found is None else str(one.found)
    wanted = f"{'at least ' if one.larger else ''}{one.wanted}"
    hosts = str(NodeSet.fromlist([hop.host for hop in group]))
    return (f"{name}{count}", hosts, wanted, found, str(one.carries))


def _bottleneck(hops: Sequence[Hop]) -> str:
    small = explain(hops)
    if small is not None:
        return f"The narrowest is the {small.what} on '{small.host}': set it to {small.wanted}."
    missing = next((hop for hop in hops if hop.found is None), None)
    if missing is not None:
        return f"Nothing passes the {missing.what} on '{missing.host}'."
    return f"Every hop carries {min(hop.carries for hop in hops)} B of a guest."

"""Queueing disciplines of a host, and the filters beside them, as its kernel reports them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from farswitch.connections.netlink.links import Link, Session

HOOKS = {
    "ingress": {"ingress": 0xFFFF0000},
    "clsact": {"ingress": 0xFFFFFFF2, "egress": 0xFFFFFFF3},
}
"""What only holds filters, by kind: the parent of those of each direction (<linux/pkt_sched.h>)."""


@dataclass(frozen=True, slots=True)
class Filter:
    """A classifier of packets: direction and priority name it to `tc`."""

    kind: str
    direction: str
    priority: int


@dataclass(frozen=True, slots=True)
class Qdisc:
    """A queueing discipline; `handle` is its major number, 0 where the kernel chose it."""

    device: str
    kind: str
    handle: int
    filters: tuple[Filter, ...] = ()


def qdiscs(ipr: Session, links: Collection[Link]) -> tuple[Qdisc, ...]:
    """Read what is attached to interfaces."""
    names = {link.index: link.name for link in links}
    return tuple(
        Qdisc(
            device=names[message["index"]],
            kind=message.get("kind"),
            handle=message["handle"] >> 16,
            filters=_filters(ipr, message["index"], message.get("kind")),
        )
        for message in list(ipr.tc("dump"))
        if message["index"] in names
    )


def _filters(ipr: Session, index: int, kind: str) -> tuple[Filter, ...]:
    found = (
        Filter(message.get("kind"), direction, message["info"] >> 16)
        for direction, parent in HOOKS.get(kind, {}).items()
        for message in ipr.get_filters(index=index, parent=parent)
    )
    return tuple(dict.fromkeys(found))

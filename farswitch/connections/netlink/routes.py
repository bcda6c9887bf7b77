"""Which way a server sends packets to an address."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_address

from pyroute2.netlink.exceptions import NetlinkError

from farswitch.connections.netlink.links import Session
from farswitch.model.machines import Address

RTN_UNICAST, RTN_LOCAL = 1, 2
"""Route types of <linux/rtnetlink.h>: to somebody else; the address is the server's own."""
NO_ROUTE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL})
"""No route, and what the route types unreachable, prohibit and blackhole answer."""


@dataclass(frozen=True, slots=True)
class Route:
    """The way to an address; `mtu` is the route's own, None where it has none.

    It is `learned` where a router on the way announced it (ICMP): the kernel keeps it for a while.
    """

    device: int
    source: Address | None
    mtu: int | None
    local: bool
    learned: bool = False


def route_to(ipr: Session, address: Address) -> Route | None:
    """Ask the kernel for the route to an address; None: there is none."""
    try:
        (message,) = ipr.route("get", dst=str(address))
    except NetlinkError as error:
        if error.code in NO_ROUTE:
            return None
        raise
    source = message.get("prefsrc")
    metrics, cache = message.get("metrics"), message.get("cacheinfo")
    return Route(
        device=message.get("oif"),
        source=ip_address(source) if source else None,
        mtu=(metrics.get("mtu") or None) if metrics else None,
        local=message["type"] == RTN_LOCAL,
        learned=bool(cache and cache.get("rta_expires")),
    )


def destinations(ipr: Session) -> tuple[tuple[IPv4Network, int], ...]:
    """Return destination and device index of every IPv4 route but the default ones."""
    routes: list[tuple[IPv4Network, int]] = []
    for message in ipr.route("dump", family=socket.AF_INET):
        if message["type"] == RTN_UNICAST and message.get("dst"):
            network = IPv4Network(f"{message.get('dst')}/{message['dst_len']}")
            routes.append((network, message.get("oif")))
    return tuple(routes)

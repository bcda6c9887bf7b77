"""Which way a server sends packets to an address."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_address
from typing import Any

from pyroute2.netlink.exceptions import NetlinkError

from farswitch.connections.netlink.links import Session
from farswitch.model.machines import Address

RTN_UNICAST, RTN_LOCAL = 1, 2
"""Route types of <linux/rtnetlink.h>: to somebody else; the address is the server's own."""
RTN_REFUSING = frozenset({6, 7, 8})
"""RTN_BLACKHOLE, RTN_UNREACHABLE and RTN_PROHIBIT."""
MAIN, LOOKUP_TABLE = 254, 0x1000
"""RT_TABLE_MAIN; RTM_F_LOOKUP_TABLE asks for the table that a route is in."""
INVERTED = 2
"""FIB_RULE_INVERT of <linux/fib_rules.h>: of a rule with `not`."""
NO_SELECTORS = {"TABLE", "PRIORITY", "PROTOCOL", "SUPPRESS_PREFIXLEN", "SUPPRESS_IFGROUP", "GOTO",
                "FLOW", "PAD", "DST", "FWMARK", "FWMASK"}  # fmt: skip
"""Attributes of rules that select no packets, and those that are compared; iif `lo` is itself."""
NO_ROUTE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL})
"""No route, and what the route types unreachable, prohibit and blackhole answer."""


@dataclass(frozen=True, slots=True)
class Route:
    """The way to an address; `mtu` is the route's own, None where it has none.

    Attributes:
        device: The index of the interface that packets leave by.
        source: What the kernel sends from where a packet does not say; None: it has no such route.
        local: The address is the server's own.
        learned: A router on the way announced its MTU (ICMP): the kernel keeps it for a while.
    """

    device: int
    source: Address | None
    mtu: int | None
    local: bool
    learned: bool = False


def route_to(ipr: Session, address: Address, source: Address) -> Route | None:
    """Ask the kernel for the route to an address that packets from `source` take, as a tunnel's do.

    Rules may choose it by its source (ip-rule(8)), as clouds and servers with several uplinks do.

    Returns:
        None: There is none, or `source` is no address of the server.
    """
    message = _ask(ipr, address, src=str(source))
    if message is None:
        return None
    by_itself = _ask(ipr, address)
    preferred = by_itself.get("prefsrc") if by_itself else None
    metrics, cache = message.get("metrics"), message.get("cacheinfo")
    return Route(
        device=message.get("oif"),
        source=ip_address(preferred) if preferred else None,
        mtu=(metrics.get("mtu") or None) if metrics else None,
        local=message["type"] == RTN_LOCAL,
        learned=bool(cache and cache.get("rta_expires")),
    )


def _ask(ipr: Session, address: Address, **more: str | int) -> Any:
    try:
        (message,) = ipr.route("get", dst=str(address), **more)
    except NetlinkError as error:
        if error.code in NO_ROUTE:
            return None
        raise
    return message


@dataclass(frozen=True, slots=True)
class Capture:
    """A rule that is asked before table main.

    `device` is the interface that its table's route leads to, None where that refuses packets.
    """

    priority: int
    table: int
    device: int | None


def captured(ipr: Session, addresses: Sequence[Address]) -> Capture | None:
    """Return the rule that leads to IPv4 addresses, if it does before table main is asked.

    It does so whatever routes main has, as those into networks that are on an interface. The first
    and the last address stand for all.
    """
    every = tuple(ipr.rule("dump", family=socket.AF_INET))
    asked = (_captured(ipr, every, address) for address in (*addresses[:1], *addresses[1:][-1:]))
    return next(filter(None, asked), None)


def _captured(ipr: Session, every: Sequence[Any], address: Address) -> Capture | None:
    rules: dict[int, int] = {}
    for rule in every:
        table, priority = rule.get("table"), rule.get("priority") or 0
        if _holds(rule, address):
            rules[table] = min(priority, rules.get(table, priority))
    main = rules.get(MAIN, 0)
    message = _ask(ipr, address, flags=LOOKUP_TABLE)
    tables = [message.get("table")] if message else _refusing(ipr, address)
    earlier = [(rules[table], table) for table in tables if rules.get(table, main) < main]
    if not earlier:
        return None
    priority, table = min(earlier)
    return Capture(priority, table, message.get("oif") if message else None)


def _refusing(ipr: Session, address: Address) -> list[int]:
    """Return the tables with routes that refuse packets to an address, as VPNs' that are down."""
    return [
        message.get("table")
        for message in ipr.route("dump", family=socket.AF_INET)
        if message["type"] in RTN_REFUSING
        and address in IPv4Network((message.get("dst") or 0, message["dst_len"]))
    ]


def _holds(rule: Any, address: Address) -> bool:
    """Tell whether a rule is about what the server itself sends to an address, without a mark."""
    attributes = ((name.removeprefix("FRA_"), value) for name, value in rule["attrs"])
    more = {name for name, value in attributes if (name, value) != ("IIFNAME", "lo")}
    mark = (rule.get("fwmark") or 0) & (rule.get("fwmask") or 0)
    to = IPv4Network((rule.get("dst") or 0, rule["dst_len"]))
    selected = not (more - NO_SELECTORS or mark or rule["tos"]) and address in to
    return selected != bool(rule["flags"] & INVERTED)


def destinations(ipr: Session) -> tuple[tuple[IPv4Network, int], ...]:
    """Return destination and device index of every IPv4 route but the default ones."""
    routes: list[tuple[IPv4Network, int]] = []
    for message in ipr.route("dump", family=socket.AF_INET):
        if message["type"] == RTN_UNICAST and message.get("dst"):
            network = IPv4Network(f"{message.get('dst')}/{message['dst_len']}")
            routes.append((network, message.get("oif")))
    return tuple(routes)

"""Whether this machine already uses what the lab wants to use."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network

from farswitch.errors import ConfigError
from farswitch.lab.addresses import Lab
from farswitch.lab.run import run

_DEFAULT_PREFIX = 1
"""VPN programs write a default route as 0.0.0.0/1 and 128.0.0.0/1: nobody's own subnet."""


@dataclass(frozen=True, slots=True)
class Use:
    """A subnet of this machine, and what has it."""

    subnet: IPv4Network
    interface: str
    what: str


def observe() -> list[Use]:
    """Read the machine's IPv4 addresses and routes, default routes left out."""
    uses: list[Use] = []
    for link in json.loads(run(["ip", "-4", "-j", "addr", "show"])):
        for address in link["addr_info"]:
            own = IPv4Interface(f"{address['local']}/{address['prefixlen']}")
            uses.append(Use(own.network, link["ifname"], f"address {own}"))
    for route in json.loads(run(["ip", "-4", "-j", "route", "show", "table", "all"])):
        if route["dst"] == "default" or route.get("table") == "local":
            continue
        subnet, interface = IPv4Network(route["dst"], strict=False), route.get("dev", "")
        if subnet.prefixlen > _DEFAULT_PREFIX and _is_there(interface):
            uses.append(Use(subnet, interface, "a route"))
    return uses


def _is_there(interface: str) -> bool:
    """Return whether an interface is there: `ip` calls one that goes meanwhile `if` and a number.

    That of the lab itself goes with its bridges, a moment after them.
    """
    return not interface or interface in {name for _, name in socket.if_nameindex()}


def check(lab: Lab, uses: Iterable[Use]) -> None:
    """Refuse a lab whose subnets this machine already uses, its own interface left out.

    Raises:
        ConfigError: Two subnets overlap; both are named, and what has the other one.
    """
    for use in uses:
        if use.interface == lab.link:
            continue
        for role, subnet in (("control", lab.control), ("underlay", lab.underlay)):
            if subnet.overlaps(use.subnet):
                where = f" of interface '{use.interface}'" if use.interface else ""
                raise ConfigError(
                    f"The lab's {role} subnet {subnet} overlaps {use.subnet}, which this machine"
                    f" already uses ({use.what}{where}).",
                    hint="Copy inventory/lab, choose other networks and addresses in the copy, and "
                    "give it to --site; `farswitch lab` takes --control and --underlay.",
                )

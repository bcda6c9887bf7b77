"""The kinds of values in a cluster's settings: what each accepts, and its title in messages.

A validator returns the value, or raises a ValueError, which becomes "wanted" and the title.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator

MTU_MIN = 576
"""The datagram that every IPv4 host must accept (RFC 791, section 3.2)."""
MTU_MAX = 65535 - 50
"""The longest IPv4 packet (RFC 791: 16 bits of length) less the 50 bytes of VXLAN (RFC 7348)."""
UNPRIVILEGED = 1024
"""The first port that a user without privilege may bind (net.ipv4.ip_unprivileged_port_start)."""
PORT_MAX = 65535
DEBIAN_USERS = """root daemon bin sys sync games man lp mail news uucp proxy www-data backup list
    irc gnats nobody sshd messagebus statd"""
SYSTEM_FOLDERS = "bin boot dev etc home lib lib32 lib64 libx32 proc root run sbin sys tmp usr var"
FOLDER = r"/[A-Za-z0-9_][A-Za-z0-9._-]*"
PREFIXES = range(8, 29)


class Fields(BaseModel):
    """A mapping in which every key is known and nothing is converted silently."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True
    )


@dataclass(frozen=True, slots=True)
class PortRange:
    """TCP ports `first` to `last`, both included."""

    first: int
    last: int


def number(low: int, high: int, *, unit: str = "") -> Any:
    """Declare a whole number from `low` to `high`, both included."""
    of = f" of {unit}" if unit else ""
    return Field(ge=low, le=high, title=f"a number{of} from {low} to {high}")


def text(pattern: str, title: str) -> Any:
    """Declare a text that matches a pattern as a whole."""
    return Field(pattern=f"^(?:{pattern})$", title=title)


def refuse_if(condition: object) -> None:
    """Raise a ValueError where a value cannot be meant."""
    if condition:
        raise ValueError


def parse_mtu(value: object) -> int | None:
    """Return the MTU in bytes of IP packet, or None for `auto`."""
    if value == "auto":
        return None
    refuse_if(type(value) is not int or not MTU_MIN <= value <= MTU_MAX)
    return int(str(value))


def parse_network(value: object) -> IPv4Network:
    """Return an IPv4 network with room for a guest, of addresses that machines may have."""
    refuse_if(not isinstance(value, str | IPv4Network) or "/" not in str(value))
    network = IPv4Network(str(value))
    refuse_if(network.is_multicast or network.is_loopback or network.is_link_local)
    refuse_if(network.prefixlen not in PREFIXES or network[0].packed[0] in {0, 255})
    return network


def parse_ports(value: object) -> PortRange:
    """Return a range of unprivileged ports."""
    if isinstance(value, PortRange):
        return value
    match = re.fullmatch(r"([0-9]{1,5})-([0-9]{1,5})", value) if isinstance(value, str) else None
    first, last = (int(port) for port in match.groups()) if match else (0, 0)
    refuse_if(not UNPRIVILEGED <= first <= last <= PORT_MAX)
    return PortRange(first, last)


def _outside_of_the_system(folder: str) -> str:
    refuse_if(folder.split("/")[1] in SYSTEM_FOLDERS.split())
    return folder


def _url_or_path(source: str) -> str:
    if "://" in source:
        url = urlsplit(source)
        refuse_if(url.scheme not in {"http", "https"} or not url.hostname or "@" in url.netloc)
    return source


def _none_of_debians(user: str) -> str:
    refuse_if(user in DEBIAN_USERS.split() or user.startswith("systemd-"))
    return user


Flag = Annotated[bool, Field(title="true or false")]
Mtu = Annotated[
    int | None,
    PlainValidator(parse_mtu),
    Field(title=f"'auto' or a number from {MTU_MIN} to {MTU_MAX}"),
]
Network = Annotated[
    IPv4Network,
    PlainValidator(parse_network),
    Field(title="an IPv4 network from /8 to /28, its first address given, as 10.0.0.0/24"),
]
Ports = Annotated[
    PortRange,
    PlainValidator(parse_ports),
    Field(title=f"two ports from {UNPRIVILEGED} to {PORT_MAX}, as 20000-20099"),
]
Share = Annotated[
    str,
    text(f"({FOLDER})+", "a path such as /shared or /srv/data, outside of the system's folders"),
    AfterValidator(_outside_of_the_system),
]
Source = Annotated[
    str,
    text(
        "[!-,.-~][!-~]*", "'farswitch', an http(s) URL without a password, or a path without spaces"
    ),
    AfterValidator(_url_or_path),
]
UserName = Annotated[
    str,
    text(
        "[a-z][a-z0-9_-]{0,31}",
        "a user name of 1 to 32 of a-z, 0-9, '_' and '-' that is none of Debian's own",
    ),
    AfterValidator(_none_of_debians),
]

"""The kinds of values in a cluster's settings: what each accepts, and its title in messages.

A validator returns the value, or raises a ValueError, which becomes "wanted" and the title.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, PlainValidator

MTU_MIN = 576
"""The datagram that every IPv4 host must accept (RFC 791, section 3.2)."""
MTU_MAX = 65535 - 50
"""The longest IPv4 packet (RFC 791: 16 bits of length) less the 50 bytes of VXLAN (RFC 7348)."""
UNPRIVILEGED = 1024
"""The first port that a user without privilege may bind (net.ipv4.ip_unprivileged_port_start)."""
PORT_MAX = 65535
_USERS = """root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc
    gnats nobody sshd messagebus statd"""
_FOLDERS = "bin boot dev etc home lib lib32 lib64 libx32 proc root run sbin sys tmp usr var"
DEBIAN_USERS = frozenset(_USERS.split())
SYSTEM_FOLDERS = frozenset(_FOLDERS.split())
_FOLDER = re.compile(r"/([A-Za-z0-9_][A-Za-z0-9._-]*)(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
_PREFIXES = range(8, 29)


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


def require(*, held: bool) -> None:
    """Raise a ValueError where a condition does not hold."""
    if not held:
        raise ValueError


def parse_mtu(value: object) -> int | None:
    """Return the MTU in bytes of IP packet, or None for `auto`."""
    if value == "auto":
        return None
    require(held=type(value) is int)
    mtu = int(str(value))
    require(held=MTU_MIN <= mtu <= MTU_MAX)
    return mtu


def parse_network(value: object) -> IPv4Network:
    """Return an IPv4 network with room for a guest, of addresses that machines may have."""
    require(held=isinstance(value, str | IPv4Network) and "/" in str(value))
    network = IPv4Network(str(value))
    odd = network.is_multicast or network.is_loopback or network.is_link_local
    require(
        held=network.prefixlen in _PREFIXES and not odd and network[0].packed[0] not in {0, 255}
    )
    return network


def parse_ports(value: object) -> PortRange:
    """Return a range of unprivileged ports."""
    if isinstance(value, PortRange):
        return value
    match = re.fullmatch(r"([0-9]{1,5})-([0-9]{1,5})", value) if isinstance(value, str) else None
    require(held=match is not None)
    first, last = (int(port) for port in match.groups()) if match else (0, 0)
    require(held=UNPRIVILEGED <= first <= last <= PORT_MAX)
    return PortRange(first, last)


def parse_share(value: object) -> str:
    """Return a folder that hides nothing of the system when NFS is mounted there."""
    match = _FOLDER.fullmatch(value) if isinstance(value, str) else None
    require(held=match is not None and match[1] not in SYSTEM_FOLDERS)
    return str(value)


def parse_source(value: object) -> str:
    """Return the own image's word, an http(s) URL without a password, or a path."""
    require(held=isinstance(value, str) and value.isascii() and value.isprintable())
    source = str(value)
    require(held=bool(source) and " " not in source and not source.startswith("-"))
    if "://" in source:
        url = urlsplit(source)
        require(
            held=url.scheme in {"http", "https"} and bool(url.hostname) and "@" not in url.netloc
        )
    return source


def parse_user(value: object) -> str:
    """Return a name for a user of the guests that Debian has not given away."""
    require(held=isinstance(value, str) and bool(re.fullmatch(r"[a-z][a-z0-9_-]{0,31}", value)))
    require(held=value not in DEBIAN_USERS and not str(value).startswith("systemd-"))
    return str(value)


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
    PlainValidator(parse_share),
    Field(title="a path such as /shared or /srv/data, outside of the system's folders"),
]
Source = Annotated[
    str,
    PlainValidator(parse_source),
    Field(title="'farswitch', an http(s) URL without a password, or a path without spaces"),
]
UserName = Annotated[
    str,
    PlainValidator(parse_user),
    Field(title="a user name of 1 to 32 of a-z, 0-9, '_' and '-' that is none of Debian's own"),
]

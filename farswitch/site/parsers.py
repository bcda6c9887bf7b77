"""Values that a pattern alone cannot judge: each parser returns the value or raises ValueError."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, ip_address
from urllib.parse import urlsplit

from farswitch.model.machines import Address
from farswitch.model.settings import PortRange

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
FOLDER = re.compile(r"(/[A-Za-z0-9_][A-Za-z0-9._-]*)+")
_HOSTNAME = re.compile(
    r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*\.?", re.IGNORECASE
)
_HOSTNAME_LENGTH = 253
_PREFIXES = range(8, 29)


def _require(*, held: bool) -> None:
    if not held:
        raise ValueError


def parse_mtu(value: object) -> int | None:
    """Return the MTU in bytes of IP packet, or None for `auto`."""
    if value == "auto":
        return None
    _require(held=type(value) is int)
    mtu = int(str(value))
    _require(held=MTU_MIN <= mtu <= MTU_MAX)
    return mtu


def parse_network(value: object) -> IPv4Network:
    """Return an IPv4 network with room for a guest, of addresses that machines may have."""
    _require(held=isinstance(value, str) and "/" in value)
    network = IPv4Network(value)
    odd = network.is_multicast or network.is_loopback or network.is_link_local
    _require(
        held=network.prefixlen in _PREFIXES and not odd and network[0].packed[0] not in {0, 255}
    )
    return network


def parse_underlay(value: object) -> Address:
    """Return an address that a tunnel can end at."""
    _require(held=isinstance(value, str) and "%" not in value)
    address = ip_address(str(value))
    odd = address.is_multicast or address.is_loopback or address.is_link_local
    _require(held=not odd and not address.is_unspecified)
    return address


def parse_hostname(value: object) -> str:
    """Return an address or DNS name: nothing that ssh takes for an option, or a shell for more."""
    _require(held=isinstance(value, str) and "%" not in value)
    name = str(value)
    try:
        return str(ip_address(name))
    except ValueError:
        last = name.rstrip(".").rpartition(".")[2]
        _require(held=len(name) <= _HOSTNAME_LENGTH and bool(_HOSTNAME.fullmatch(name)))
        _require(held=not last.isdigit())  # 1.2.3 or 300.1.1.1: an address mistyped, not a name
        return name


def parse_ports(value: object) -> PortRange:
    """Return a range of unprivileged ports."""
    match = re.fullmatch(r"([0-9]{1,5})-([0-9]{1,5})", value) if isinstance(value, str) else None
    _require(held=match is not None)
    first, last = (int(port) for port in match.groups()) if match else (0, 0)
    _require(held=UNPRIVILEGED <= first <= last <= PORT_MAX)
    return PortRange(first, last)


def parse_share(value: object) -> str:
    """Return a folder that hides nothing of the system when NFS is mounted there."""
    _require(held=isinstance(value, str) and bool(FOLDER.fullmatch(value)))
    _require(held=str(value).split("/")[1] not in SYSTEM_FOLDERS)
    return str(value)


def parse_source(value: object) -> str:
    """Return the own image's word, an http(s) URL without a password, or a path."""
    _require(held=isinstance(value, str) and value.isascii() and value.isprintable())
    source = str(value)
    _require(held=bool(source) and " " not in source and not source.startswith("-"))
    if "://" in source:
        url = urlsplit(source)
        _require(
            held=url.scheme in {"http", "https"} and bool(url.hostname) and "@" not in url.netloc
        )
    return source


def parse_user(value: object) -> str:
    """Return a name for a user of the guests that Debian has not given away."""
    _require(held=isinstance(value, str) and bool(re.fullmatch(r"[a-z][a-z0-9_-]{0,31}", value)))
    _require(held=value not in DEBIAN_USERS and not str(value).startswith("systemd-"))
    return str(value)

"""The kinds of values in a cluster's settings: what each accepts, and its title in messages.

A validator returns the value, or raises a ValueError, which becomes "wanted" and the title.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator

MTU_MIN = 576
"""The datagram that every IPv4 host must accept (RFC 791, section 3.2)."""
MTU_MAX = 65535 - 50
"""The longest IPv4 packet (RFC 791: 16 bits of length) less the 50 bytes of VXLAN (RFC 7348)."""
UNPRIVILEGED = 1024
"""The first port that a user without privilege may bind (net.ipv4.ip_unprivileged_port_start)."""
PORT_MAX = 65535
SYSTEM_USERS = """root daemon bin sys sync games man lp mail news uucp proxy www-data backup list
    irc gnats nobody sshd messagebus statd rpc rpcuser polkitd syslog tss uuidd landscape pollinate
    chrony ntp dnsmasq tcpdump usbmux shutdown halt operator"""
"""Users of base-passwd and of the packages that Debian's, Ubuntu's and Fedora's images have."""
SYSTEM_GROUPS = """adm admin tty disk kmem dialout fax voice cdrom floppy tape sudo wheel audio dip
    src shadow utmp video sasl plugdev staff users nogroup input sgx render kvm netdev crontab ssh
    ssh_keys rdma mlocate lxd docker libvirt lock utempter systemd"""
"""Groups of the same: a user's own group bears the user's name."""
SYSTEM_FOLDERS = "bin boot dev etc home lib lib32 lib64 libx32 proc root run sbin sys tmp usr var"
NO_POOL = "bin boot dev etc lib lib32 lib64 libx32 proc run sbin sys usr"
"""Folders that hold no disks of guests: the kernel's, and what the system boots from."""
FOLDER = r"/[A-Za-z0-9_][A-Za-z0-9._-]*"
FOLDER_LENGTH = 255
"""NAME_MAX of Linux, in bytes, for all of a path: folders below it need room, too."""
SHARE_LENGTH = 60
"""A mount unit is named after its folder, in 255 characters at most (UNIT_NAME_MAX of systemd),
of which an escaped one takes four."""
PREFIXES = range(8, 29)
A_NETWORK = "an IPv4 network from /8 to /28, its first address given, as 10.0.0.0/24"
NOBODYS = (
    IPv4Network("0.0.0.0/8"), IPv4Network("169.254.0.0/16"), IPv4Network("224.0.0.0/3"),
    IPv6Network("::/128"), IPv6Network("::ffff:0:0/96"), IPv6Network("fe80::/10"),
    IPv6Network("ff00::/8"),
)  # fmt: skip
"""Addresses that name no machine to others (RFC 6890): this network, link-local, multicast and what
is reserved; IPv4 written as IPv6."""


class Fields(BaseModel):
    """A mapping in which every key is known and nothing is converted silently."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True
    )


@dataclass(frozen=True, slots=True)
class Nested:
    """Beside a field whose value is made of a mapping by a validator: that mapping's model.

    Where it is `named`, the mapping has such mappings by names of the site's own.
    """

    model: Callable[[], type[BaseModel]]
    named: bool = False


@dataclass(frozen=True, slots=True)
class PortRange:
    """TCP ports `first` to `last`, both included."""

    first: int
    last: int

    def __str__(self) -> str:
        """Return the range as a site says it."""
        return f"{self.first}-{self.last}"


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


def refuse_nobodys(address: IPv4Address | IPv6Address) -> None:
    """Raise a ValueError where an address can be no machine's that is reached from elsewhere."""
    refuse_if(any(address in network for network in NOBODYS if network.version == address.version))


def auto_or(least: int, most: int) -> Callable[[object], int | None]:
    """Return the parser of a number within bounds, or of `auto`, for which it returns None."""

    def parse(value: object) -> int | None:
        if value == "auto":
            return None
        refuse_if(type(value) is not int or not least <= value <= most)
        return int(str(value))

    return parse


def parse_network(value: object) -> IPv4Network:
    """Return an IPv4 network with room for a guest, of addresses that machines may have."""
    refuse_if(not isinstance(value, str | IPv4Network))
    refuse_if(not re.fullmatch(r"[0-9.]+/[1-9][0-9]?", str(value)))
    network = IPv4Network(str(value))
    refuse_if(network.prefixlen not in PREFIXES or network.is_loopback)
    refuse_nobodys(network[0])
    return network


def parse_ports(value: object) -> PortRange:
    """Return a range of unprivileged ports."""
    if isinstance(value, PortRange):
        return value
    match = (
        re.fullmatch(r"([1-9][0-9]{3,4})-([1-9][0-9]{3,4})", value)
        if isinstance(value, str)
        else None
    )
    first, last = (int(port) for port in match.groups()) if match else (0, 0)
    refuse_if(not UNPRIVILEGED <= first <= last <= PORT_MAX)
    return PortRange(first, last)


def _outside_of_the_system(folder: str) -> str:
    refuse_if(folder.split("/")[1] in SYSTEM_FOLDERS.split() or len(folder) > SHARE_LENGTH)
    return folder


def _for_disks(folder: str) -> str:
    refuse_if(folder.split("/")[1] in NO_POOL.split() or len(folder) > FOLDER_LENGTH)
    return folder


def refuse_no_file(path: str) -> str:
    """Return a path that can be a file's: of this user or of the system, named in full."""
    refuse_if(path.startswith("~") and not path.startswith("~/"))
    refuse_if(path.rpartition("/")[2] in {"", ".", ".."})
    return path


def _url_or_path(source: str) -> str:
    if "://" not in source:
        refuse_if("$" in source or source.lower().startswith(("http:", "https:")))
        return refuse_no_file(source)
    url = urlsplit(source)
    refuse_if(url.scheme not in {"http", "https"} or not url.hostname or "@" in url.netloc)
    refuse_if(url.port == 0)  # reading it raises a ValueError where it is no port at all
    return source


def _none_of_the_system(user: str) -> str:
    refuse_if(user in f"{SYSTEM_USERS} {SYSTEM_GROUPS}".split() or user.startswith("systemd-"))
    return user


Flag = Annotated[bool, Field(title="true or false")]
Mtu = Annotated[
    int | None,
    PlainValidator(auto_or(MTU_MIN, MTU_MAX)),
    Field(title=f"'auto' or a number from {MTU_MIN} to {MTU_MAX}"),
]
Network = Annotated[
    IPv4Network,
    PlainValidator(parse_network),
    Field(title=A_NETWORK),
]
Ports = Annotated[
    PortRange,
    PlainValidator(parse_ports),
    PlainSerializer(str),
    Field(title=f"two ports from {UNPRIVILEGED} to {PORT_MAX}, as 20000-20099"),
]
Share = Annotated[
    str,
    text(
        f"({FOLDER})+",
        "a path such as /shared or /srv/data, outside of the system's folders, of 60 characters "
        "at most",
    ),
    AfterValidator(_outside_of_the_system),
]
PoolPath = Annotated[
    str,
    text(f"({FOLDER}){{2,}}", "an absolute path of two folders or more, outside of the system's"),
    AfterValidator(_for_disks),
]
Source = Annotated[
    str,
    text(
        "[!-,.-~][!-~]*",
        "'farswitch', an http(s) URL without a password, or a file's path without spaces",
    ),
    AfterValidator(_url_or_path),
]
UserName = Annotated[
    str,
    text(
        "[a-z][a-z0-9_-]{0,31}",
        "a user name of 1 to 32 of a-z, 0-9, '_' and '-' that is no user or group of the system's",
    ),
    AfterValidator(_none_of_the_system),
]

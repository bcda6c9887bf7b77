"""The kinds of values in a site's files: what each accepts, and the words for what is wanted."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator

from farswitch.model.machines import Address
from farswitch.model.settings import OWN_IMAGE, VNI_MAX, FirewallMode, PortRange
from farswitch.site import parsers


def number(low: int, high: int, *, unit: str = "") -> Any:
    """Declare a whole number from `low` to `high`, both included."""
    of = f" of {unit}" if unit else ""
    return Field(ge=low, le=high, description=f"a number{of} from {low} to {high}")


def text(pattern: str, wanted: str) -> Any:
    """Declare a text that matches a pattern as a whole."""
    return Field(pattern=f"^(?:{pattern})$", description=wanted)


Cluster = Annotated[
    str,
    text(r"[a-z][a-z0-9-]{0,19}", "a name of 1 to 20 of a-z, 0-9 and '-' with a letter first"),
]
LabName = Annotated[
    str,
    text(r"[a-z][a-z0-9-]{0,14}", "a name of 1 to 15 of a-z, 0-9 and '-' with a letter first"),
]
Vni = Annotated[int, number(1, VNI_MAX)]
UdpPort = Annotated[int, number(parsers.UNPRIVILEGED, parsers.PORT_MAX)]
Port = Annotated[int, number(1, parsers.PORT_MAX)]
Mtu = Annotated[
    int | None,
    PlainValidator(parsers.parse_mtu),
    Field(description=f"'auto' or a number from {parsers.MTU_MIN} to {parsers.MTU_MAX}"),
]
Network = Annotated[
    IPv4Network,
    PlainValidator(parsers.parse_network),
    Field(description="an IPv4 network from /8 to /28, its first address given, as 10.0.0.0/24"),
]
Underlay = Annotated[
    Address,
    PlainValidator(parsers.parse_underlay),
    Field(description="an IPv4 or IPv6 address of that server, without a zone"),
]
Hostname = Annotated[
    str, PlainValidator(parsers.parse_hostname), Field(description="an IP address or a DNS name")
]
Ports = Annotated[
    PortRange,
    PlainValidator(parsers.parse_ports),
    Field(
        description=f"two ports from {parsers.UNPRIVILEGED} to {parsers.PORT_MAX}, as 20000-20099"
    ),
]
Memory = Annotated[int, number(256, 1 << 20, unit="MiB")]
Vcpus = Annotated[int, number(1, 255)]
Disk = Annotated[int, number(2, 1 << 14, unit="GiB")]
Uid = Annotated[int, number(1000, 60000)]
Seconds = Annotated[int, number(10, 7200, unit="seconds")]
Firewall = Annotated[FirewallMode, Field(description="'reset', 'narrow' or 'check'")]
User = Annotated[
    str,
    PlainValidator(parsers.parse_user),
    Field(
        description="a user name of 1 to 32 of a-z, 0-9, '_' and '-' that is none of Debian's own"
    ),
]
Login = Annotated[str, text(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}", "a user name")]
Share = Annotated[
    str,
    PlainValidator(parsers.parse_share),
    Field(description="a path such as /shared or /srv/data, outside of the system's folders"),
]
Source = Annotated[
    str,
    PlainValidator(parsers.parse_source),
    Field(
        description=f"'{OWN_IMAGE}', an http(s) URL without a password, or a path without spaces"
    ),
]
Sha256 = Annotated[str, text(r"[0-9a-f]{64}", "64 hexadecimal digits in lower case")]
Pool = Annotated[
    str, text(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", "a name of letters, digits, '.', '_' and '-'")
]
Folder = Annotated[
    str,
    text(
        rf"{parsers.FOLDER.pattern}{parsers.FOLDER.pattern}",
        "an absolute path of two folders or more",
    ),
]
File = Annotated[
    str, text(r"(~/|/)?[A-Za-z0-9_@+=:,./-]+", "a path of letters, digits and _@+=:,./-")
]
Yes = Annotated[bool, Field(description="true or false")]
Reference = Annotated[str, Field(description="the name of a hypervisor of this site")]
Groups = Annotated[
    list[Literal["hypervisor", "switch", "guest"]],
    Field(min_length=1, max_length=1, description="one of [hypervisor], [switch] and [guest]"),
]

"""The kinds of values that hosts.yaml and groups.yaml have beside those of the settings."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PlainValidator

from farswitch.model.field_types import (
    PORT_MAX,
    number,
    refuse_if,
    refuse_no_file,
    refuse_nobodys,
    text,
)
from farswitch.model.machines import Address

_HOSTNAME = re.compile(
    r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*\.?", re.IGNORECASE
)
_HOSTNAME_LENGTH = 253


def parse_underlay(value: object) -> Address:
    """Return an address that a tunnel can end at."""
    refuse_if(not isinstance(value, str) or "%" in value)
    address = ip_address(str(value))
    refuse_nobodys(address)
    refuse_if(address.is_loopback)
    return address


def parse_hostname(value: object) -> str:
    """Return an address or DNS name: nothing that ssh takes for an option, or a shell for more."""
    refuse_if(not isinstance(value, str) or "%" in value)
    name = str(value)
    try:
        address = ip_address(name)
    except ValueError:
        last = name.rstrip(".").rpartition(".")[2]
        refuse_if(len(name) > _HOSTNAME_LENGTH or not _HOSTNAME.fullmatch(name))
        # 1.2.3, 300.1.1.1, 0x7f.1: an address mistyped, or one as inet_aton(3) takes it, no name
        refuse_if(last.isdigit() or last.lower().startswith("0x"))
        return name
    refuse_nobodys(address)
    return str(address)


Port = Annotated[int, number(1, PORT_MAX)]
Underlay = Annotated[
    Address,
    PlainValidator(parse_underlay),
    Field(title="an IPv4 or IPv6 address of that server, without a zone"),
]
Hostname = Annotated[
    str,
    PlainValidator(parse_hostname),
    Field(title="an IP address of that server, or its DNS name"),
]
Login = Annotated[str, text(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}", "a user name")]
KeyFile = Annotated[
    str,
    text(r"(~/|/)?[A-Za-z0-9_@+=:,./-]+", "a file's path of letters, digits and _@+=:,./-"),
    AfterValidator(refuse_no_file),
]
HypervisorName = Annotated[str, Field(title="the name of a hypervisor of this site")]
Groups = Annotated[
    list[Literal["hypervisor", "switch", "guest"]],
    Field(min_length=1, max_length=1, title="one of [hypervisor], [switch] and [guest]"),
]

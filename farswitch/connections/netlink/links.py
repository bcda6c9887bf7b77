"""Network interfaces of a server, as its kernel reports them."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass, field
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface
from socket import AF_INET6
from typing import TypeAlias

from pyroute2 import IPRoute
from pyroute2.netlink.rtnl import RTM_NEWLINK

from farswitch.connections.netlink.attributes import (
    Attributes,
    attributes,
    each_attribute,
    number,
    text,
    undecoded,
)
from farswitch.connections.netlink.kernel_numbers import (
    BR_STATE_FORWARDING,
    GEN_MODE_NONE,
    IFF_NOARP,
    IFF_RUNNING,
    IFF_UP,
    INET6_ADDR_GEN_MODE,
    SKIP_STATISTICS,
    BridgeOption,
    Ifla,
    Info,
    PortOption,
    VxlanOption,
)
from farswitch.model.links import VxlanAttrs
from farswitch.model.machines import Address

Session: TypeAlias = IPRoute
"""An open netlink conversation, used in the thread that opened it."""
STACKED = frozenset({"vlan", "macvlan", "ipvlan", "macsec"})
"""Kinds that carry what passes another device; IFLA_LINK of others names a far end."""
_IFINFOMSG = struct.Struct("=BxHiII")
"""`struct ifinfomsg` (rtnetlink(7)): family, type, index, flags, change."""
_STATS64 = struct.Struct("=8Q")
"""The first fields: packets, bytes, errors and drops, each received and sent."""

_OWN_SOCKET = (
    VxlanOption.UDP_ZERO_CSUM6_RX,
    VxlanOption.REMCSUM_RX,
    VxlanOption.COLLECT_METADATA,
    VxlanOption.VNIFILTER,
)
_OWN_SOCKET_FLAGS = (VxlanOption.GBP, VxlanOption.REMCSUM_NOPARTIAL, VxlanOption.GPE)
"""VXLAN_F_RCV_FLAGS of <net/vxlan.h>; these have no value, and are there or not."""


@dataclass(frozen=True, slots=True)
class Port:
    """What an interface is to its bridge; `flood` is of unknown addresses and broadcasts."""

    isolated: bool = False
    learning: bool = True
    flood: bool = True
    forwarding: bool = True


@dataclass(frozen=True, slots=True)
class Traffic:
    """What an interface received and sent since it was made; `dropped` is of both ways."""

    received: int = 0
    received_packets: int = 0
    sent: int = 0
    sent_packets: int = 0
    dropped: int = 0

    @classmethod
    def parse(cls, values: bytes) -> Traffic:
        """Read `struct rtnl_link_stats64` of <linux/if_link.h>; there is more behind these."""
        numbers = _STATS64.unpack_from(values)
        received_packets, sent_packets, received, sent, _, _, *dropped = numbers
        return cls(received, received_packets, sent, sent_packets, sum(dropped))

    def turned(self) -> Traffic:
        """Return it as the far side sees it."""
        return Traffic(
            self.sent, self.sent_packets, self.received, self.received_packets, self.dropped
        )

    def __sub__(self, earlier: Traffic) -> Traffic:
        pairs = zip(astuple(self), astuple(earlier), strict=True)
        return Traffic(*(now - before for now, before in pairs))


@dataclass(frozen=True, slots=True)
class Link:
    """An interface as the kernel reports it; `forward_delay` is in hundredths of a second.

    `up` is what was asked for; `running`, whether it has a carrier too.
    """

    index: int
    name: str
    kind: str = ""
    mtu: int = 1500
    up: bool = True
    group: int = 0
    alias: str = ""
    altnames: tuple[str, ...] = ()
    master: str | None = None
    mac: str = ""
    arp: bool = True
    link_local: bool = True
    stp: bool = False
    forward_delay: int = 0
    vxlan: VxlanAttrs | None = None
    addresses: tuple[IPv4Interface | IPv6Interface, ...] = ()
    running: bool = True
    port: Port | None = None
    lower: str | None = None
    """The device that it is made on, of a VLAN or its like; None where that is not on this side."""
    peer: str | None = None
    """The other end, of a veth; None where that is in another network namespace."""
    far: bool = False
    """Its other end, or the device that it is made on, is in another network namespace."""
    queue_length: int = 1000
    """In packets."""
    traffic: Traffic = field(default=Traffic(), compare=False)


def dump(ipr: Session) -> tuple[Link, ...]:
    """Read every interface of a server, with its addresses, in the kernel's order."""
    messages = list(_messages(ipr))
    addresses: dict[int, list[IPv4Interface | IPv6Interface]] = defaultdict(list)
    for message in ipr.addr("dump"):
        # On a point-to-point interface IFA_ADDRESS is the peer's and IFA_LOCAL is ours.
        address = message.get("local") or message.get("address")
        addresses[message["index"]].append(ip_interface(f"{address}/{message['prefixlen']}"))
    names = {index: text(values.get(Ifla.IFNAME)) for index, _, values in messages}
    return tuple(
        _link(index, flags, values, names, addresses[index]) for index, flags, values in messages
    )


def _messages(ipr: Session) -> Iterator[tuple[int, int, Attributes]]:
    """Yield index, flags and attributes of every interface."""
    with undecoded(ipr, RTM_NEWLINK):
        messages = list(ipr.link("dump", ext_mask=SKIP_STATISTICS))
    for message in messages:
        _, _, index, flags, _ = _IFINFOMSG.unpack_from(message.body)
        yield index, flags, attributes(message.body[_IFINFOMSG.size :])


def _link(
    index: int,
    flags: int,
    values: Attributes,
    names: Mapping[int, str],
    addresses: Iterable[IPv4Interface | IPv6Interface],
) -> Link:
    info = attributes(values.get(Ifla.LINKINFO, b""))
    kind = text(info.get(Info.KIND))
    data = attributes(info.get(Info.DATA, b""))
    far = Ifla.LINK_NETNSID in values  # the index is of there, then
    bridge = data if kind == "bridge" else {}
    inet6 = attributes(attributes(values.get(Ifla.AF_SPEC, b"")).get(AF_INET6, b""))
    return Link(
        index=index,
        name=names[index],
        kind=kind,
        mtu=number(values.get(Ifla.MTU)),
        up=bool(flags & IFF_UP),
        group=number(values.get(Ifla.GROUP)),
        alias=text(values.get(Ifla.IFALIAS)),
        altnames=tuple(
            text(value)
            for kind_of, value in each_attribute(values.get(Ifla.PROP_LIST, b""))
            if kind_of == Ifla.ALT_IFNAME
        ),
        master=names.get(number(values.get(Ifla.MASTER))),
        mac=values.get(Ifla.ADDRESS, b"").hex(":"),
        arp=not flags & IFF_NOARP,
        link_local=bool(inet6) and number(inet6.get(INET6_ADDR_GEN_MODE)) != GEN_MODE_NONE,
        stp=bool(number(bridge.get(BridgeOption.STP_STATE))),
        forward_delay=number(bridge.get(BridgeOption.FORWARD_DELAY)),
        vxlan=_vxlan(data, names) if kind == "vxlan" else None,
        addresses=tuple(addresses),
        running=bool(flags & IFF_RUNNING),
        port=_port(attributes(info.get(Info.SLAVE_DATA, b"")))
        if text(info.get(Info.SLAVE_KIND)) == "bridge"
        else None,
        lower=names.get(number(values.get(Ifla.LINK))) if kind in STACKED and not far else None,
        peer=names.get(number(values.get(Ifla.LINK))) if kind == "veth" and not far else None,
        far=far,
        queue_length=number(values.get(Ifla.TXQLEN)),
        traffic=Traffic.parse(values[Ifla.STATS64]),
    )


def _port(data: Attributes) -> Port:
    floods = (PortOption.UNICAST_FLOOD, PortOption.MCAST_FLOOD, PortOption.BCAST_FLOOD)
    return Port(
        isolated=bool(number(data.get(PortOption.ISOLATED))),
        learning=bool(number(data.get(PortOption.LEARNING))),
        flood=all(number(data[option]) for option in floods if option in data),
        forwarding=number(data.get(PortOption.STATE)) == BR_STATE_FORWARDING,
    )


def _vxlan(data: Attributes, names: Mapping[int, str]) -> VxlanAttrs:
    return VxlanAttrs(
        vni=number(data.get(VxlanOption.ID)),
        local=_address(data.get(VxlanOption.LOCAL) or data.get(VxlanOption.LOCAL6)),
        remote=_address(data.get(VxlanOption.GROUP) or data.get(VxlanOption.GROUP6)),
        port=int.from_bytes(data.get(VxlanOption.PORT, b""), "big"),
        device=names.get(number(data.get(VxlanOption.LINK))),
        learning=bool(number(data.get(VxlanOption.LEARNING))),
        own_socket=any(number(data.get(option)) for option in _OWN_SOCKET)
        or any(option in data for option in _OWN_SOCKET_FLAGS),
    )


def _address(value: bytes | None) -> Address | None:
    return ip_address(value) if value else None

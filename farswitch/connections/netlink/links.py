"""Network interfaces of a server, as its kernel reports them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface
from typing import Any, TypeAlias

from pyroute2 import IPRoute

from farswitch.model.links import VxlanAttrs

Session: TypeAlias = IPRoute
"""An open netlink conversation, used in the thread that opened it."""
IFF_UP, IFF_RUNNING, IFF_NOARP = 0x1, 0x40, 0x80
"""Interface flags of <linux/if.h>."""
BR_STATE_FORWARDING = 3
"""State of a bridge's port in <linux/if_bridge.h>."""
GEN_MODE_NONE = 1
"""IN6_ADDR_GEN_MODE_NONE of <linux/if_link.h>: no IPv6 address by itself."""
SKIP_STATISTICS = 1 << 3
"""RTEXT_FILTER_SKIP_STATS of <linux/rtnetlink.h>: counters are half of a dump."""


@dataclass(frozen=True, slots=True)
class Port:
    """What an interface is to its bridge; `flood` is of unknown addresses and broadcasts."""

    isolated: bool = False
    learning: bool = True
    flood: bool = True
    forwarding: bool = True


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


def dump(ipr: Session) -> tuple[Link, ...]:
    """Read every interface of a server, with its addresses, in the kernel's order."""
    messages = list(ipr.link("dump", ext_mask=SKIP_STATISTICS))
    names = {message["index"]: message.get("ifname") for message in messages}
    addresses: dict[int, list[IPv4Interface | IPv6Interface]] = defaultdict(list)
    for message in ipr.addr("dump"):
        # On a point-to-point interface IFA_ADDRESS is the peer's and IFA_LOCAL is ours.
        address = message.get("local") or message.get("address")
        addresses[message["index"]].append(ip_interface(f"{address}/{message['prefixlen']}"))
    return tuple(_link(message, names, addresses[message["index"]]) for message in messages)


def _link(
    message: Any,
    names: dict[int, str],
    addresses: Iterable[IPv4Interface | IPv6Interface],
) -> Link:
    info = message.get("linkinfo")
    kind = (info.get("kind") if info else None) or ""
    data = info.get("data") if info else None
    bridge = data if kind == "bridge" else None
    inet6 = message.get(("af_spec", "af_inet6")) or {}
    properties = message.get("prop_list")
    return Link(
        index=message["index"],
        name=message.get("ifname"),
        kind=kind,
        mtu=message.get("mtu"),
        up=bool(message["flags"] & IFF_UP),
        group=message.get("group") or 0,
        alias=message.get("ifalias") or "",
        altnames=tuple(properties.get_attrs("IFLA_ALT_IFNAME")) if properties else (),
        master=names.get(message.get("master")),
        mac=message.get("address") or "",
        arp=not message["flags"] & IFF_NOARP,
        link_local=bool(inet6) and inet6.get("IFLA_INET6_ADDR_GEN_MODE") != GEN_MODE_NONE,
        stp=bool(bridge and bridge.get("br_stp_state")),
        forward_delay=(bridge and bridge.get("br_forward_delay")) or 0,
        vxlan=_vxlan(data, names) if kind == "vxlan" else None,
        addresses=tuple(addresses),
        running=bool(message["flags"] & IFF_RUNNING),
        port=_port(info),
    )


def _port(info: Any) -> Port | None:
    if not info or info.get("slave_kind") != "bridge":
        return None
    data = info.get("slave_data")
    floods = ("unicast_flood", "mcast_flood", "bcast_flood")
    return Port(
        isolated=bool(data.get("isolated")),
        learning=bool(data.get("learning")),
        flood=all(data.get(name) != 0 for name in floods),
        forwarding=data.get("state") == BR_STATE_FORWARDING,
    )


def _vxlan(data: Any, names: dict[int, str]) -> VxlanAttrs:
    local = data.get("vxlan_local") or data.get("vxlan_local6")
    remote = data.get("vxlan_group") or data.get("vxlan_group6")
    return VxlanAttrs(
        vni=data.get("vxlan_id"),
        local=ip_address(local) if local else None,
        remote=ip_address(remote) if remote else None,
        port=data.get("vxlan_port"),
        device=names.get(data.get("vxlan_link")),
        learning=bool(data.get("vxlan_learning")),
    )

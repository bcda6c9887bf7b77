"""Changes of a server's network interfaces: one netlink request each, named when it fails."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Interface, IPv6Address
from typing import Any, Literal

from pyroute2.netlink.exceptions import NetlinkError

from farswitch.connections.netlink.kernel_numbers import GEN_MODE_NONE
from farswitch.connections.netlink.links import Link, Port, Session
from farswitch.errors import FarswitchError
from farswitch.model.links import Bridge, Tunnel, VethEnd
from farswitch.model.owner import GROUP_BASE

QUIET = {"attrs": [("AF_INET6", {"attrs": [("IFLA_INET6_ADDR_GEN_MODE", GEN_MODE_NONE)]})]}
"""IFLA_AF_SPEC for an interface that makes itself no IPv6 link-local address."""

IPV6_MIN_MTU = 1280
"""Bytes of the smallest MTU on which the kernel runs IPv6 (RFC 8200, section 5)."""
REMOVAL_BASE = GROUP_BASE + (1 << 24)
"""Upper byte of the link groups of what is deleted together: above those of all clusters."""
HINTS = {
    errno.EPERM: "The login needs root, or CAP_NET_ADMIN.",
    errno.EOPNOTSUPP: "The kernel lacks this kind of interface: modprobe bridge vxlan.",
    errno.EXFULL: "A bridge takes 1,023 ports (BR_MAX_PORTS).",
    errno.EEXIST: "Somebody has this name, or this VNI on this UDP port, perhaps in another "
    "network namespace: farswitch preflight names it.",
    errno.EADDRINUSE: "Somebody has the tunnels' UDP port: farswitch preflight names it.",
    errno.EINVAL: "An MTU must be at most the underlay's, less what VXLAN adds.",
}


class LinkError(FarswitchError):
    """The kernel refused a change of an interface; `code` is its errno."""

    def __init__(self, name: str, action: str, code: int, reason: str, *, hint: str = "") -> None:
        super().__init__(f"Interface '{name}' cannot be {action}: {reason}.", hint=hint)
        self.name = name
        self.action = action
        self.code = code


def make_bridge(ipr: Session, want: Bridge) -> None:
    """Make a bridge that is down, without anything that `finish` gives it.

    Only the link group is in force from the first moment on, so it is what marks the bridge as
    ours; alias and altname follow. The MTU follows too: a bridge made with one takes it for a
    default and gives it up for its ports' (`br_mtu_auto_adjust`).

    Raises:
        LinkError: The kernel refused.
    """
    with _named(want.name, "made a bridge"):
        ipr.link(
            "add", ifname=want.name, kind="bridge", group=want.group, arp=want.arp,
            br_stp_state=0, br_forward_delay=0,
        )  # fmt: skip


def make_tunnel(ipr: Session, want: Tunnel, *, device: int, master: int) -> None:
    """Make a vxlan interface that is down, in the bridge with the index `master`; 0 is none.

    With the index of the underlay's device the kernel bounds the tunnel's MTU.

    Raises:
        LinkError: The kernel refused: the VNI may be in use on that UDP port.
    """
    local, remote = want.vxlan.local, want.vxlan.remote
    v6 = "6" if isinstance(remote, IPv6Address) else ""
    ends: dict[str, str] = {f"vxlan_group{v6}": str(remote), f"vxlan_local{v6}": str(local)}
    with _named(want.name, "made a tunnel"):
        ipr.link(
            "add", ifname=want.name, kind="vxlan", group=want.group, mtu=want.mtu, master=master,
            vxlan_id=want.vxlan.vni, vxlan_port=want.vxlan.port, vxlan_link=device,
            vxlan_learning=int(want.vxlan.learning), **ends,
        )  # fmt: skip


def make_pair(ipr: Session, want: VethEnd, *, master: int) -> None:
    """Make both ends of a veth pair, down, the wanted one in the bridge with the index `master`.

    Raises:
        LinkError: The kernel refused.
    """
    with _named(want.name, "made an end of a veth pair"):
        ipr.link(
            "add", ifname=want.name, kind="veth", group=want.group, mtu=want.mtu, master=master,
            peer={"ifname": want.peer, "mtu": want.mtu, "group": want.group},
        )  # fmt: skip


def finish(ipr: Session, want: Bridge | Tunnel | VethEnd) -> None:
    """Give an interface that was made its marks and its MTU, and bring it up.

    Raises:
        LinkError: The kernel refused.
    """
    # Before the interface is up, or it has its link-local address already.
    if want.mtu < IPV6_MIN_MTU:
        _set(ipr, want.name, "set up", mtu=want.mtu, ifalias=want.alias)
    else:
        set_quiet(ipr, want.name, mtu=want.mtu, ifalias=want.alias)
    add_altname(ipr, want.name, want.altname)
    if is_mute(want):
        set_arp(ipr, want.name, arp=False)
    set_up(ipr, want.name)


def is_mute(want: Bridge | Tunnel | VethEnd) -> bool:
    """Tell whether the server answers no ARP on an interface that is no bridge, and has no master.

    A switch's socket gets a copy of each frame, and the server's own stack the other one.
    """
    return (
        not isinstance(want, Bridge)
        and want.master is None
        and not (isinstance(want, Tunnel) and want.arp)
    )


def set_mtu(ipr: Session, name: str, mtu: int) -> None:
    """Set the MTU, in bytes of IP packet."""
    _set(ipr, name, f"given MTU {mtu}", mtu=mtu)


def set_mtu_quietly(ipr: Session, name: str, mtu: int, found: int) -> None:
    """Set the MTU of an interface of ours that has `found`, so that it makes no IPv6 address.

    Below `IPV6_MIN_MTU` the kernel takes IPv6 from an interface, its settings with it, and above
    it begins anew: with an address, where the interface is up.
    """
    if not found < IPV6_MIN_MTU <= mtu:
        set_mtu(ipr, name, mtu)
        return
    set_down(ipr, name)
    try:
        set_mtu(ipr, name, mtu)
        set_quiet(ipr, name)
    finally:
        set_up(ipr, name)


def set_up(ipr: Session, name: str) -> None:
    """Bring an interface up."""
    _set(ipr, name, "brought up", state="up")


def set_down(ipr: Session, name: str) -> None:
    """Take an interface down."""
    _set(ipr, name, "taken down", state="down")


def set_master(ipr: Session, name: str, master: int) -> None:
    """Enslave an interface to the bridge with the index `master`."""
    _set(ipr, name, "enslaved", master=master)


def set_alias(ipr: Session, name: str, alias: str) -> None:
    """Set the alias, the mark that people read."""
    _set(ipr, name, f"given the alias '{alias}'", ifalias=alias)


def set_group(ipr: Session, name: str, group: int) -> None:
    """Set the link group, the mark that is atomic."""
    _set(ipr, name, f"put into link group {group}", group=group)


def set_arp(ipr: Session, name: str, *, arp: bool) -> None:
    """Let the server answer ARP on an interface, or not."""
    _set(ipr, name, f"set to ARP {'on' if arp else 'off'}", arp=arp)


def set_quiet(ipr: Session, name: str, **more: Any) -> None:
    """Stop an interface from making itself an IPv6 link-local address; set `more` along with it.

    One that has no IPv6 makes none: its MTU is below `IPV6_MIN_MTU`, or the kernel has no IPv6
    (`ipv6.disable=1`, a module that is not loaded).
    """
    try:
        _set(ipr, name, "set to make no IPv6 address", IFLA_AF_SPEC=QUIET, **more)
    except LinkError as error:
        if error.code != errno.EAFNOSUPPORT:
            raise
        if more:
            _set(ipr, name, "set up", **more)


def set_bridge_off(ipr: Session, name: str, option: Literal["stp", "forward_delay"]) -> None:
    """Set a bridge's STP or forward delay to 0; STP first: it bounds the delay from below."""
    key = "br_stp_state" if option == "stp" else "br_forward_delay"
    _set(ipr, name, f"set to {option} 0", kind="bridge", **{key: 0})


def set_port(ipr: Session, link: Link, port: Port) -> None:
    """Tell a bridge what to do with its port; whether it forwards is the bridge's own affair."""
    flags = dict.fromkeys(("unicast_flood", "mcast_flood", "bcast_flood"), int(port.flood))
    with _named(link.name, "given the options of a port"):
        ipr.brport(
            "set", index=link.index, isolated=int(port.isolated), learning=int(port.learning),
            **flags,
        )  # fmt: skip


def add_altname(ipr: Session, name: str, altname: str) -> None:
    """Add an alternative name, up to 127 characters (ALTIFNAMSIZ), unique on the server."""
    with _named(name, f"given the altname '{altname}'"):
        ipr.link("property_add", ifname=name, altname=altname)


def add_address(ipr: Session, name: str, address: IPv4Interface) -> None:
    """Add an address to an interface."""
    with _named(name, f"given the address {address}"):
        (index,) = ipr.link_lookup(ifname=name)
        prefix = address.network.prefixlen
        ipr.addr("add", index=index, address=str(address.ip), prefixlen=prefix)


def drop_altnames(ipr: Session, name: str, altnames: Sequence[str]) -> None:
    """Take alternative names away from an interface."""
    for altname in altnames:
        with _named(name, f"rid of the altname '{altname}'"):
            ipr.link("property_del", ifname=name, altname=altname)


def delete(ipr: Session, links: Sequence[Link], have: Sequence[Link]) -> None:
    """Delete interfaces, many of them in one request.

    One by one each waits for a grace period of the kernel (17 ms); a group waits once. `have` is
    every interface of the server: no other may be in a group that goes.

    Raises:
        LinkError: The kernel refused.
    """
    if not links:
        return
    going = {link.index for link in links}
    group = links[0].group
    if group == 0 or any(link.group == group and link.index not in going for link in have):
        # An index is one interface's alone: what others delete meanwhile is in another group.
        group = REMOVAL_BASE | links[0].index & 0xFFFFFF
    for link in links:
        if link.group != group:
            set_group(ipr, link.name, group)
    delete_group(ipr, group)


def delete_group(ipr: Session, group: int) -> None:
    """Delete every interface of a link group in one request."""
    with _named(f"group {group}", "deleted"):
        ipr.link("del", group=group)


def _set(ipr: Session, name: str, action: str, **attributes: Any) -> None:
    with _named(name, action):
        ipr.link("set", ifname=name, **attributes)


@contextmanager
def _named(name: str, action: str) -> Iterator[None]:
    try:
        yield
    except NetlinkError as error:
        if error.code == errno.ECONNRESET:  # The way to the kernel is gone: the endpoint says why.
            raise
        reason, hint = str(error.args[-1]), HINTS.get(error.code, "")
        raise LinkError(name, action, error.code, reason, hint=hint) from error

"""Forwarding databases: the bridges' own, and the far ends that the tunnels send to."""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.rtnl import RTM_NEWNEIGH

from farswitch.connections.netlink.attributes import attributes, number, undecoded
from farswitch.connections.netlink.edit_links import LinkError
from farswitch.connections.netlink.kernel_numbers import Nda
from farswitch.connections.netlink.links import Link, Session
from farswitch.model.machines import Address

_NDMSG = struct.Struct("=B3xiHBB")
"""`struct ndmsg` of <linux/neighbour.h>: family, index, state, flags, type."""
NUD_NOARP, NUD_PERMANENT = 0x40, 0x80
"""States of <linux/neighbour.h>: a static entry; with PERMANENT a bridge keeps the frame itself."""
NTF_SELF, NTF_MASTER = 0x02, 0x04
ANYBODY = "00:00:00:00:00:00"
"""A tunnel sends frames for addresses without an entry to the far ends of this one."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One address of a forwarding database.

    Attributes:
        device: The port, or the tunnel.
        bridge: The bridge that forwards by it; None for an entry of the tunnel itself.
        static: Somebody wrote it: it was not learnt.
        local: The bridge keeps frames to it, as those to the server itself.
        far: A tunnel's far end.
        elsewhere: The entry has a UDP port or a VNI of its own.
        index: The device's.
    """

    mac: str
    device: str
    bridge: str | None = None
    static: bool = False
    local: bool = False
    far: Address | None = None
    elsewhere: bool = False
    index: int = 0


def entries(ipr: Session, links: Iterable[Link]) -> tuple[Entry, ...]:
    """Read all entries of bridges and tunnels on a server; `links` are its interfaces."""
    names = {link.index: link.name for link in links}
    with undecoded(ipr, RTM_NEWNEIGH):
        messages = list(ipr.fdb("dump"))
    every = (_entry(message.body, names) for message in messages)
    return tuple(entry for entry in every if entry.bridge or entry.far)


def delete(ipr: Session, entry: Entry) -> None:
    """Take an entry out of its bridge; one that aged away meanwhile is gone too.

    Raises:
        LinkError: The kernel refused.
    """
    whose = NTF_SELF if entry.device == entry.bridge else NTF_MASTER
    try:
        ipr.fdb("del", ifindex=entry.index, lladdr=entry.mac, flags=whose)
    except NetlinkError as error:
        if error.code == errno.ENOENT:
            return
        action = f"rid of the FDB entry {entry.mac}"
        raise LinkError(entry.device, action, error.code, str(error.args[-1])) from error


def _entry(body: bytes, names: Mapping[int, str]) -> Entry:
    _, index, state, _, _ = _NDMSG.unpack_from(body)
    values = attributes(body[_NDMSG.size :])
    return Entry(
        mac=values.get(Nda.LLADDR, b"").hex(":"),
        device=names.get(index, ""),
        bridge=names.get(number(values.get(Nda.MASTER))),
        static=bool(state & (NUD_NOARP | NUD_PERMANENT)),
        local=bool(state & NUD_PERMANENT),
        far=ip_address(values[Nda.DST]) if values.get(Nda.DST) else None,
        elsewhere=not values.keys().isdisjoint((Nda.PORT, Nda.VNI)),
        index=index,
    )

"""Forwarding databases: the bridges' own, and the far ends that the tunnels send to."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from pyroute2.netlink.exceptions import NetlinkError

from farswitch.connections.netlink.edit_links import LinkError
from farswitch.connections.netlink.links import Session
from farswitch.model.machines import Address

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


def entries(ipr: Session) -> tuple[Entry, ...]:
    """Read all entries of bridges and tunnels on a server."""
    names = {message["index"]: message.get("ifname") for message in ipr.link("dump")}
    every = (_entry(message, names) for message in ipr.fdb("dump"))
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


def _entry(message: Any, names: dict[int, str]) -> Entry:
    far, state = message.get("NDA_DST"), message["state"]
    return Entry(
        mac=message.get("NDA_LLADDR") or "",
        device=names.get(message["ifindex"], ""),
        bridge=names.get(message.get("NDA_MASTER")),
        static=bool(state & (NUD_NOARP | NUD_PERMANENT)),
        local=bool(state & NUD_PERMANENT),
        far=ip_address(far) if far else None,
        elsewhere=any(message.get(name) is not None for name in ("NDA_PORT", "NDA_VNI")),
        index=message["ifindex"],
    )

"""Whose an interface is, and the marks that say so: link group, alias and altname."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TypeVar

from farswitch.connections.netlink.links import Link
from farswitch.errors import FarswitchError
from farswitch.model.links import Bridge, Tunnel, VethEnd
from farswitch.model.owner import Owner

W = TypeVar("W", bound=Bridge | Tunnel | VethEnd)
PREFIX = "fs"
"""What the names of our interfaces start with."""


def owns(owner: Owner, link: Link, names: Collection[str] = ()) -> bool:
    """Decide by alias, and by group and name while no alias names another cluster.

    `names` are what the owner's are called that do not start with our prefix.
    """
    if link.alias.startswith(f"{owner.mark}:"):
        return True
    ours = link.name.startswith(PREFIX) or link.name in names
    return ours and link.group == owner.link_group and not link.alias.startswith("farswitch:")


def complete(want: W, owner: Owner, have: Sequence[Link], server: str) -> W:
    """Return what is wanted with the marks and the device that it does not name itself.

    A tunnel's device is the one of `have`, all interfaces of the server, with its local address.

    Raises:
        FarswitchError: No interface has that address.
    """
    noun = {Bridge: "bridge", Tunnel: "tunnel", VethEnd: "end"}[type(want)]
    marked = replace(
        want,
        group=want.group or owner.link_group,
        alias=want.alias or f"{owner.mark}:{want.name}",
        altname=want.altname or f"farswitch-{owner.cluster}-{want.name}-{noun}",
    )
    if not isinstance(marked, Tunnel) or marked.device:
        return marked
    local = marked.vxlan.local
    for link in have:
        if any(address.ip == local for address in link.addresses):
            return replace(marked, device=link.name)
    raise FarswitchError(
        f"The local address {local} of tunnel '{want.name}' is on no interface of '{server}'.",
        hint="Add it there, or correct 'local' of the tunnel.",
    )


def our_altnames(link: Link) -> tuple[str, ...]:
    """Return the altnames of a link that we gave it."""
    return tuple(name for name in link.altnames if name.startswith("farswitch-"))

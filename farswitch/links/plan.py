"""Bridges, tunnels and veths: what differs from what is wanted, as a list of changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import TypeAlias, TypeGuard

from farswitch.connections.netlink.edit_links import is_mute
from farswitch.connections.netlink.links import Link
from farswitch.errors import ForeignObjectError
from farswitch.links.ownership import complete, our_altnames, owns
from farswitch.model.links import Bridge, Tunnel, VethEnd, VxlanAttrs
from farswitch.model.owner import Owner

Wanted: TypeAlias = Bridge | Tunnel | VethEnd
KINDS = frozenset(one.kind for one in (Bridge, Tunnel, VethEnd))
TAP = "tun"
"""The kind of a delay line's interface."""
IMPAIRING = ("fsi", "fsj")
"""What the names of the veths begin with that `impair` makes and removes."""


@dataclass(frozen=True, slots=True)
class Add:
    """An interface that is missing, or (`instead` of one) cannot be changed in place."""

    want: Wanted
    instead: Link | None = None

    def __str__(self) -> str:
        if self.instead is None:
            return f"+ {self.want.kind} {self.want.name} ({self.want.alias}) mtu {self.want.mtu}"
        why = ", ".join(_unlike(self.instead, self.want))
        return f"~ {self.want.kind} {self.want.name} made anew{f': {why}' if why else ''}"


@dataclass(frozen=True, slots=True)
class Set:
    """One attribute of an interface that is not as wanted."""

    link: Link
    want: Wanted
    attribute: str
    found: object
    wanted: object

    def __str__(self) -> str:
        return f"~ {self.want.kind} {self.want.name} {self.attribute} {self.found} -> {self.wanted}"


@dataclass(frozen=True, slots=True)
class Remove:
    """An interface of ours that nobody wants."""

    link: Link

    def __str__(self) -> str:
        return f"- {self.link.kind} {self.link.name} ({self.link.alias})"


LinkChange: TypeAlias = Add | Set | Remove


def plan(
    have: Sequence[Link],
    want: Sequence[Wanted],
    owner: Owner,
    *,
    kind: str,
    server: str,
    present: bool = True,
) -> list[LinkChange]:
    """Compare the interfaces of a server with what is wanted of one kind.

    The kind is `bridge`, `vxlan` or `veth`; ours of another kind are left alone. Unless `present`
    none of ours may be left. The changes come in the order in which they can be made.

    Raises:
        ForeignObjectError: Somebody else's interface has a name, an altname or a VNI of ours.
        FarswitchError: No interface has the local address of a tunnel.
    """
    names = {wanted.name for wanted in want}
    ours = {
        link.name: link
        for link in have
        if owns(owner, link, names) and link.kind == kind and not link.name.startswith(IMPAIRING)
    }
    if not present:
        return [Remove(link) for link in ours.values()]
    gone = {wanted.peer for wanted in want if _is_away(wanted, ours.get(wanted.name))}
    want = [complete(one, owner, have, server) for one in want if one.name not in gone]
    _refuse_foreign(have, want, owner, server)
    removed = [Remove(link) for name, link in ours.items() if name not in names]
    added = [
        Add(wanted, ours.get(wanted.name))
        for wanted in want
        if wanted.name not in ours or not _same(ours[wanted.name], wanted)
    ]
    again = {change.want.name for change in added}
    changed = [
        change
        for wanted in want
        if wanted.name not in again
        for change in _differences(ours[wanted.name], wanted)
    ]
    return [*removed, *added, *changed]


def foreseen(have: Sequence[Link], changes: Sequence[LinkChange]) -> tuple[Link, ...]:
    """Return the interfaces of a server as they are once the changes are made, as far as known."""
    gone = {change.link.name for change in changes if isinstance(change, Remove)}
    links = {
        link.name: replace(link, master=None if link.master in gone else link.master)
        for link in have
        if link.name not in gone
    }
    for change in changes:
        if isinstance(change, Add):
            links[change.want.name] = _made(change.want)
        elif isinstance(change, Set):
            links[change.link.name] = _set(links[change.link.name], change)
    return tuple(links.values())


def plan_removal(have: Sequence[Link], owner: Owner) -> list[LinkChange]:
    """List the bridges, tunnels, veths and delay lines of an owner."""
    return [Remove(link) for link in have if owns(owner, link) and link.kind in {*KINDS, TAP}]


def _refuse_foreign(
    have: Sequence[Link], want: Sequence[Wanted], owner: Owner, server: str
) -> None:
    names = {name for wanted in want for name in (wanted.name, wanted.altname)}
    vnis = {(wanted.vni, wanted.port) for wanted in want if isinstance(wanted, Tunnel)}
    kinds = {wanted.name: wanted.kind for wanted in want}
    for link in have:
        if owns(owner, link, kinds) and kinds.get(link.name, link.kind) == link.kind:
            continue
        for name in (link.name, *link.altnames):
            if name in names:
                raise ForeignObjectError("Interface", name, server)
        if link.vxlan and (link.vxlan.vni, link.vxlan.port) in vnis:
            raise ForeignObjectError(
                f"A tunnel with VNI {link.vxlan.vni} on UDP port {link.vxlan.port}, interface",
                link.name,
                server,
            )


def _same(have: Link, want: Wanted) -> bool:
    """Tell whether what cannot be changed in place is right."""
    if isinstance(want, VethEnd):
        return have.peer == want.peer or _is_away(want, have)
    return isinstance(want, Bridge) or have.vxlan == want.vxlan


def _is_away(want: Wanted, have: Link | None) -> TypeGuard[VethEnd]:
    """Tell whether the other end of a pair is in another network namespace, as it may be."""
    return isinstance(want, VethEnd) and want.away and have is not None and have.far


def _unlike(have: Link, want: Wanted) -> Iterator[str]:
    """Yield what cannot be changed in place, from what to what."""
    if isinstance(want, Tunnel) and have.vxlan:
        for field in fields(VxlanAttrs):
            found, wanted = getattr(have.vxlan, field.name), getattr(want.vxlan, field.name)
            if found != wanted:
                yield f"{field.name} {found} -> {wanted}"
    if isinstance(want, VethEnd) and have.peer != want.peer:
        yield f"other end {have.peer or 'elsewhere'} -> {want.peer}"


def _made(want: Wanted) -> Link:
    return Link(
        index=0,
        name=want.name,
        kind=want.kind,
        mtu=want.mtu,
        group=want.group,
        alias=want.alias,
        altnames=(want.altname,),
        master=None if isinstance(want, Bridge) else want.master,
        peer=want.peer if isinstance(want, VethEnd) else None,
        vxlan=want.vxlan if isinstance(want, Tunnel) else None,
        link_local=False,
    )


def _set(link: Link, change: Set) -> Link:
    """Return a link after one change; what no later step looks at stays as it was."""
    if change.attribute == "master":
        return replace(link, master=str(change.wanted), port=None)
    if change.attribute == "mtu":
        return replace(link, mtu=change.want.mtu)
    return link


def _differences(have: Link, want: Wanted) -> Iterator[Set]:
    pairs: list[tuple[str, object, object]] = [
        ("group", have.group, want.group),
        ("alias", have.alias, want.alias),
        ("altname", our_altnames(have), (want.altname,)),
        ("link_local", have.link_local, False),
    ]
    if isinstance(want, Bridge):
        pairs.append(("arp", have.arp, want.arp))
        pairs.append(("stp", have.stp, False))
        pairs.append(("forward_delay", have.forward_delay, 0))
    elif want.master is not None:
        pairs.append(("master", have.master, want.master))
    elif is_mute(want):
        pairs.append(("arp", have.arp, False))
    pairs.append(("mtu", have.mtu, want.mtu))
    pairs.append(("up", have.up, True))
    if isinstance(want, Bridge) and want.address and want.address not in have.addresses:
        pairs.append(("address", "none", str(want.address)))
    for attribute, found, wanted in pairs:
        if found != wanted:
            yield Set(have, want, attribute, found, wanted)

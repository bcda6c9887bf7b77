"""Ports of bridges: who is in which, and what each bridge may do with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

from farswitch.connections.netlink.batch import batched
from farswitch.connections.netlink.edit_links import set_master, set_port, set_up
from farswitch.connections.netlink.links import Link, Port, Session
from farswitch.links.apply import index_of
from farswitch.model.links import BridgePort


@dataclass(frozen=True, slots=True)
class PortChange:
    """What is not as wanted of a port that is there."""

    link: Link
    want: BridgePort
    attribute: str
    found: object
    wanted: object

    def __str__(self) -> str:
        return f"~ port {self.want.name} {self.attribute} {self.found} -> {self.wanted}"


def plan(have: Sequence[Link], want: Sequence[BridgePort]) -> list[PortChange]:
    """List what differs of the ports that are there.

    A tap in somebody else's bridge is left alone; tunnels are put into theirs by `vxlan`.
    """
    links = {link.name: link for link in have}
    return [
        change
        for port in want
        if (link := links.get(port.name))
        for change in _differences(link, port)
    ]


def unplugged(have: Sequence[Link], want: Sequence[BridgePort]) -> frozenset[str]:
    """Return the guests of which a tap is not there: they are off, or somebody removed it."""
    names = {link.name for link in have}
    return frozenset(port.guest for port in want if port.tap and port.name not in names)


def differences(port: Port, *, isolated: bool) -> Iterator[tuple[str, bool, bool]]:
    """Yield name, found and wanted of what a bridge should do otherwise with a port."""
    options = (
        ("isolated", port.isolated, isolated),
        ("learning", port.learning, True),
        ("flood", port.flood, True),
    )
    yield from (option for option in options if option[1] != option[2])


def apply(
    ipr: Session, have: Sequence[Link], changes: Sequence[PortChange], *, singly: bool = True
) -> None:
    """Make the changes of a plan; `singly` is as that of `farswitch.links.apply.apply`.

    Raises:
        FarswitchError: The kernel refused one, or a bridge that is needed is missing.
        RefusedError: The kernel refused one of many.
    """
    index = {link.name: link.index for link in have}
    with nullcontext(ipr) if singly else batched(ipr) as edits:
        for change in changes:
            link, want = change.link, change.want
            if change.attribute == "up":
                set_up(edits, link.name)
            elif change.attribute == "master":
                set_master(edits, link.name, index_of(index, want.bridge, link.name))
            else:
                set_port(edits, link, replace(Port(), isolated=want.isolated))


def _differences(link: Link, want: BridgePort) -> Iterator[PortChange]:
    if want.tap and not link.up:
        yield PortChange(link, want, "up", found=False, wanted=True)
    if want.tap and link.master is None:
        yield PortChange(link, want, "master", None, want.bridge)
    if link.master not in {None, want.bridge}:
        return
    for name, found, wanted in differences(link.port or Port(), isolated=want.isolated):
        yield PortChange(link, want, name, found, wanted)

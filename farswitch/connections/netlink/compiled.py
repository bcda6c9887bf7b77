"""Changes of interfaces as bytes: for a program on the server that sends them at its own time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing

from pyroute2 import IPBatch

from farswitch.connections.netlink import edit_links
from farswitch.connections.netlink.links import Session
from farswitch.model.links import VethEnd


def link_state(name: str, *, up: bool) -> bytes:
    """Return the request that brings an interface up, or takes it down."""
    return _compiled(lambda ipr: (edit_links.set_up if up else edit_links.set_down)(ipr, name))


def deletion(name: str) -> bytes:
    """Return the request that deletes an interface."""
    return _compiled(lambda ipr: ipr.link("del", ifname=name))


def pair(ends: Sequence[VethEnd]) -> bytes:
    """Return the requests that make both ends of a veth pair, up and mute, in no bridge."""

    def make(ipr: Session) -> None:
        edit_links.make_pair(ipr, ends[0], master=0)
        for end in ends:
            edit_links.finish(ipr, end)

    return _compiled(make)


def _compiled(make: Callable[[Session], object]) -> bytes:
    with closing(IPBatch()) as compiler:
        make(compiler)
        return bytes(compiler.batch)

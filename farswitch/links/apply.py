"""From what is there to what is wanted, over netlink: bridges, tunnels, and what they carry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import TypeVar

from nornir.core.task import Result, Task

from farswitch.connections.access import netlink
from farswitch.connections.netlink import edit_links
from farswitch.connections.netlink.batch import RefusedError, batched
from farswitch.connections.netlink.links import Link, Session, dump
from farswitch.errors import FarswitchError
from farswitch.links.ownership import our_altnames
from farswitch.links.plan import Add, LinkChange, Remove, Set, Wanted
from farswitch.model.links import Bridge, VethEnd

C = TypeVar("C")
"""What a plan lists: changes of links, ports or MTUs."""


def apply(
    ipr: Session, have: Sequence[Link], changes: Sequence[LinkChange], *, singly: bool = True
) -> None:
    """Make the changes of a plan, which saw `have`: every interface of the server.

    Marks are given, and all else is changed, when everything is made: what the kernel refused to
    make may be somebody else's by then.

    Args:
        ipr: The session.
        have: Every interface of the server, as the plan saw it.
        changes: The plan.
        singly: A request waits for the answer to the one before; else many go at once.

    Raises:
        FarswitchError: The kernel refused one, or a bridge or device that is needed is missing.
        RefusedError: The kernel refused one of many.
    """
    requests = nullcontext if singly else batched
    removed = [change.link for change in changes if isinstance(change, Remove)]
    removed += [change.instead for change in changes if isinstance(change, Add) and change.instead]
    edit_links.delete(ipr, removed, have)
    index = {link.name: link.index for link in have}
    for change in changes:  # All of them before one is given: guests may have changed places.
        if isinstance(change, Set) and change.attribute == "altname":
            edit_links.drop_altnames(ipr, change.link.name, our_altnames(change.link))
    added = [change.want for change in changes if isinstance(change, Add)]
    with requests(ipr) as edits:
        for want in added:
            _make(edits, want, index)
    with requests(ipr) as edits:
        for want in added:
            edit_links.finish(edits, want)
        for change in changes:
            if isinstance(change, Set) and change.attribute != "address":
                _set(edits, change, index)
    given = [
        change.want
        for change in changes
        if isinstance(change, Set) and change.attribute == "address"
    ]
    for want in (*added, *given):
        if isinstance(want, Bridge) and want.address:
            edit_links.add_address(ipr, want.name, want.address)


def converge(
    task: Task,
    planned: Callable[[Sequence[Link]], Sequence[C]],
    applied: Callable[..., None],
    *,
    concluded: Callable[[Sequence[Link], Sequence[C]], object] = lambda _have, _changes: None,
    have: Sequence[Link] | None = None,
    dry_run: bool | None = None,
) -> Result:
    """Observe, plan and apply within one netlink session.

    An observation that was made before serves a dry run, and where nothing is to be done: what is
    to be changed is looked at anew. Where the kernel refuses one of many requests, what is left is
    made one by one: so the interface has a name, and what can be done without is.

    Args:
        task: The Nornir task of a server.
        planned: Return the changes that lead from what is there to what is wanted.
        applied: Make them; it takes a session, what was seen, the changes, and `singly`.
        concluded: Return the `result` from what was there and the changes.
        have: Every interface of the server, as seen before.
        dry_run: True: report the changes, make none. None: as the run says.

    Returns:
        A result whose `count` is the number of changes.
    """
    dry = task.is_dry_run(dry_run)
    changes = planned(have) if have is not None else ()
    if have is None or (changes and not dry):
        with netlink(task).session() as ipr:
            have = dump(ipr)
            changes = planned(have)
            if not dry:
                try:
                    applied(ipr, have, changes, singly=False)
                except RefusedError:
                    left = dump(ipr)
                    applied(ipr, left, planned(left), singly=True)
    diff = "\n".join(map(str, changes))
    return Result(
        task.host,
        result=concluded(have, changes),
        changed=bool(changes),
        diff=diff,
        count=len(changes),
    )


def _make(ipr: Session, want: Wanted, index: Mapping[str, int]) -> None:
    if isinstance(want, Bridge):
        edit_links.make_bridge(ipr, want)
        return
    master = index_of(index, want.master, want.name) if want.master else 0
    if isinstance(want, VethEnd):
        if want.master:  # the other end comes with it
            edit_links.make_pair(ipr, want, master=master)
        return
    device = index_of(index, want.device or "", want.name)
    edit_links.make_tunnel(ipr, want, device=device, master=master)


def _set(ipr: Session, change: Set, index: Mapping[str, int]) -> None:
    want, name = change.want, change.want.name
    match change.attribute:
        case "group":
            edit_links.set_group(ipr, name, want.group)
        case "alias":
            edit_links.set_alias(ipr, name, want.alias)
        case "altname":
            edit_links.add_altname(ipr, name, want.altname)
        case "link_local":
            edit_links.set_quiet(ipr, name)
        case "arp":
            edit_links.set_arp(ipr, name, arp=bool(change.wanted))
        case "stp" | "forward_delay" as attribute:
            edit_links.set_bridge_off(ipr, name, attribute)
        case "master" if not isinstance(want, Bridge) and want.master:
            edit_links.set_master(ipr, name, index_of(index, want.master, name))
        case "mtu":
            edit_links.set_mtu_quietly(ipr, name, want.mtu, change.link.mtu)
        case "up":
            edit_links.set_up(ipr, name)


def index_of(index: Mapping[str, int], needed: str, name: str) -> int:
    """Return the index of an interface that another one needs.

    Raises:
        FarswitchError: It is not there.
    """
    if needed not in index:
        raise FarswitchError(
            f"Interface '{name}' needs '{needed}', which is not there.",
            hint="Run the build again: it makes what is missing.",
        )
    return index[needed]

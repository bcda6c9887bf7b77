"""From what is there to what is wanted, over netlink: bridges, tunnels, and what they carry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from nornir.core.task import Result, Task

from farswitch.connections.access import netlink
from farswitch.connections.netlink import edit_links
from farswitch.connections.netlink.links import Link, Session, dump
from farswitch.errors import FarswitchError
from farswitch.links.ownership import our_altnames
from farswitch.links.plan import Add, LinkChange, Remove, Set, Wanted
from farswitch.model.links import Bridge, Tunnel

C = TypeVar("C")
"""What a plan lists: changes of links, ports or MTUs."""


def apply(ipr: Session, have: Sequence[Link], changes: Sequence[LinkChange]) -> None:
    """Make the changes of a plan, which saw `have`: every interface of the server.

    Raises:
        FarswitchError: The kernel refused one, or a bridge or device that is needed is missing.
    """
    removed = [change.link for change in changes if isinstance(change, Remove)]
    removed += [change.instead for change in changes if isinstance(change, Add) and change.instead]
    edit_links.delete(ipr, removed, have)
    index = {link.name: link.index for link in have}
    for change in changes:  # All of them before one is given: guests may have changed places.
        if isinstance(change, Set) and change.attribute == "altname":
            edit_links.drop_altnames(ipr, change.link.name, our_altnames(change.link))
    for change in changes:
        if isinstance(change, Add):
            _add(ipr, change.want, index)
        elif isinstance(change, Set):
            _set(ipr, change, index)


def converge(
    task: Task,
    planned: Callable[[Sequence[Link]], Sequence[C]],
    applied: Callable[[Session, Sequence[Link], Sequence[C]], None],
    *,
    concluded: Callable[[Sequence[Link]], object] = lambda _have: None,
    have: Sequence[Link] | None = None,
    dry_run: bool | None = None,
) -> Result:
    """Observe, plan and apply within one netlink session.

    An observation that was made before serves a dry run, and where nothing is to be done: what is
    to be changed is looked at anew.

    Args:
        task: The Nornir task of a server.
        planned: Return the changes that lead from what is there to what is wanted.
        applied: Make them.
        concluded: Return the `result` from what was there.
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
                applied(ipr, have, changes)
    diff = "\n".join(map(str, changes))
    return Result(
        task.host, result=concluded(have), changed=bool(changes), diff=diff, count=len(changes)
    )


def _add(ipr: Session, want: Wanted, index: Mapping[str, int]) -> None:
    if isinstance(want, Bridge):
        edit_links.add_bridge(ipr, want)
        return
    device = index_of(index, want.device or "", want.name)
    master = index_of(index, want.master, want.name)
    edit_links.add_tunnel(ipr, want, device=device, master=master)


def _set(ipr: Session, change: Set, index: Mapping[str, int]) -> None:  # noqa: C901  (a case a line)
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
        case "arp" if isinstance(want, Bridge):
            edit_links.set_arp(ipr, name, arp=want.arp)
        case "stp" | "forward_delay" as attribute:
            edit_links.set_bridge_off(ipr, name, attribute)
        case "address" if isinstance(want, Bridge) and want.address:
            edit_links.add_address(ipr, name, want.address)
        case "master" if isinstance(want, Tunnel):
            edit_links.set_master(ipr, name, index_of(index, want.master, name))
        case "mtu":
            edit_links.set_mtu(ipr, name, want.mtu)
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

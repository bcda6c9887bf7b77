"""Applying a plan of bridges and tunnels over netlink."""

from __future__ import annotations

from collections.abc import Sequence

from nornir.core.task import Result, Task

from farswitch.connections.access import netlink
from farswitch.connections.netlink import edit_links
from farswitch.connections.netlink.links import Bridge, Link, Session, Tunnel, dump
from farswitch.errors import FarswitchError
from farswitch.links.plan import (
    Add,
    Change,
    Remove,
    Set,
    Wanted,
    our_altnames,
    plan,
)
from farswitch.model.owner import Owner


def apply(ipr: Session, have: Sequence[Link], changes: Sequence[Change]) -> None:
    """Make the changes of a plan.

    Args:
        ipr: An open netlink session.
        have: Every interface of the server, as the plan saw it.
        changes: The plan.

    Raises:
        FarswitchError: The kernel refused one, or a bridge or device that is needed is missing.
    """
    doomed = [change.link for change in changes if isinstance(change, Remove)]
    doomed += [change.instead for change in changes if isinstance(change, Add) and change.instead]
    edit_links.delete(ipr, doomed, have)
    index = {link.name: link.index for link in have}
    renamed = [one for one in changes if isinstance(one, Set) and one.attribute == "altname"]
    for one in renamed:  # All of them before one is given: guests may have changed places.
        edit_links.drop_altnames(ipr, one.link.name, our_altnames(one.link))
    for change in changes:
        if isinstance(change, Add):
            _add(ipr, change.want, index)
        elif isinstance(change, Set):
            _set(ipr, change, index)


def converge(
    task: Task,
    want: Sequence[Wanted],
    owner: Owner,
    *,
    kind: str,
    present: bool = True,
    dry_run: bool | None = None,
) -> Result:
    """Observe, plan and apply within one netlink session.

    Args:
        task: The Nornir task of a server.
        want: See `plan`.
        owner: See `plan`.
        kind: See `plan`.
        present: See `plan`.
        dry_run: True: tell the changes, make none. None: as the run says.

    Returns:
        A result whose `result` is the number of changes.
    """
    with netlink(task).session() as ipr:
        have = dump(ipr)
        changes = plan(have, want, owner, kind=kind, server=task.host.name, present=present)
        if not task.is_dry_run(dry_run):
            apply(ipr, have, changes)
    return result_of(task, changes)


def result_of(task: Task, changes: Sequence[Change]) -> Result:
    """Return a plan as a task's result."""
    return Result(
        host=task.host,
        changed=bool(changes),
        diff="\n".join(str(change) for change in changes),
        result=len(changes),
    )


def _add(ipr: Session, want: Wanted, index: dict[str, int]) -> None:
    if isinstance(want, Bridge):
        edit_links.add_bridge(ipr, want)
        return
    device = _index(index, want.vxlan.device or "", want.name)
    master = _index(index, want.master, want.name)
    edit_links.add_tunnel(ipr, want, device=device, master=master)


def _set(ipr: Session, change: Set, index: dict[str, int]) -> None:  # noqa: C901  (one case a line)
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
            edit_links.set_master(ipr, name, _index(index, want.master, name))
        case "mtu":
            edit_links.set_mtu(ipr, name, want.mtu)
        case "up":
            edit_links.set_up(ipr, name)


def _index(index: dict[str, int], needed: str, name: str) -> int:
    if needed not in index:
        raise FarswitchError(
            f"Interface '{name}' needs '{needed}', which is not there.",
            hint="Run the build again: it makes what is missing.",
        )
    return index[needed]

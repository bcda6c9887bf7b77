"""Forwarding databases: a guest's address only on its own port, a tunnel only to its peer."""

from __future__ import annotations

from collections.abc import Sequence

from nornir.core.task import Result, Task

from farswitch.connections.access import netlink
from farswitch.connections.netlink.fdb import delete, entries
from farswitch.connections.netlink.links import Link, dump
from farswitch.links.apply import apply
from farswitch.links.forwarding import Forwarding, plan
from farswitch.links.ownership import complete
from farswitch.links.plan import Add
from farswitch.model.links import Tunnel
from farswitch.model.owner import Owner


def fdb(
    task: Task,
    forwarding: Forwarding,
    tunnels: Sequence[Tunnel],
    owner: Owner,
    *,
    have: Sequence[Link] | None = None,
    present: bool = True,
    dry_run: bool | None = None,
) -> Result:
    """Converge the forwarding databases of one server; its tunnels are as wanted otherwise.

    Args:
        task: The Nornir task of a server.
        forwarding: By bridge and MAC address: the one port that may lead there.
        tunnels: Those that lead to their far end alone; one that does not is made anew.
        owner: Whose tunnels they are.
        have: Every interface of the server, if it was looked at before.
        present: False: nothing to do; entries go with their interface.
        dry_run: True: report the changes, make none. None: as the run says.

    Returns:
        A result whose `count` is the number of changes.

    Raises:
        FarswitchError: No interface has the local address of a tunnel.
        LinkError: The kernel refused a change.
    """
    if not present:
        return Result(host=task.host, count=0)
    with netlink(task).session() as ipr:
        dry = task.is_dry_run(dry_run)
        links = dump(ipr) if have is None or not dry else have  # changes follow from what is there
        there = {link.name: link for link in links}
        sound = [
            tunnel
            for tunnel in (complete(want, owner, links, task.host.name) for want in tunnels)
            if (link := there.get(tunnel.name)) and link.vxlan == tunnel.vxlan
        ]
        wrong, lost = plan(entries(ipr, links), forwarding, sound)
        anew = [Add(tunnel, there[tunnel.name]) for tunnel in lost]
        if not dry:
            for entry in wrong:
                delete(ipr, entry)
            apply(ipr, links, anew)
    lines = [f"- fdb {entry.mac} on {entry.device}" for entry in wrong] + [*map(str, anew)]
    return Result(host=task.host, changed=bool(lines), diff="\n".join(lines), count=len(lines))

"""Ports of the cluster's bridges: who is in which, and what each bridge may do with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from nornir.core.task import Result, Task

from farswitch.connections.access import netlink
from farswitch.connections.netlink.edit_links import set_master, set_port, set_up
from farswitch.connections.netlink.links import Link, Port, Session, dump
from farswitch.links.wanted import UNPLUGGED, PortWanted, wanted_ports
from farswitch.model.cluster import Cluster
from farswitch.site.nornir_data import server_of


@dataclass(frozen=True, slots=True)
class Change:
    """What is not as wanted of a port that is there."""

    link: Link
    want: PortWanted
    attribute: str
    found: object
    wanted: object

    def __str__(self) -> str:
        return f"~ port {self.want.name} {self.attribute} {self.found} -> {self.wanted}"


def plan(have: Sequence[Link], want: Sequence[PortWanted]) -> list[Change]:
    """List what differs of the ports that are there.

    A tap in somebody else's bridge is left alone; tunnels are put into theirs by `vxlan`.
    """
    links = {link.name: link for link in have}
    return [
        change
        for one in want
        if (link := links.get(one.name))
        for change in _differences(link, one)
    ]


def unplugged(have: Sequence[Link], want: Sequence[PortWanted]) -> frozenset[str]:
    """Return the guests of which a tap is not there: they are off, or somebody removed it."""
    names = {link.name for link in have}
    return frozenset(one.guest for one in want if one.tap and one.name not in names)


def differences(port: Port, *, isolated: bool) -> Iterator[tuple[str, bool, bool]]:
    """Yield name, found and wanted of what a bridge should do otherwise with a port."""
    yield from (
        one
        for one in (
            ("isolated", port.isolated, isolated),
            ("learning", port.learning, True),
            ("flood", port.flood, True),
        )
        if one[1] != one[2]
    )


def ports(
    task: Task, cluster: Cluster, *, present: bool = True, dry_run: bool | None = None
) -> Result:
    """Converge the ports of one server's bridges; those that are not there are left out.

    Args:
        task: The Nornir task of a server.
        cluster: The cluster.
        present: False: nothing to do; a port goes with its interface.
        dry_run: True: tell the changes, make none. None: as the run says.

    Returns:
        A result whose `result` is the number of changes.

    Raises:
        LinkError: The kernel refused a change.
    """
    if not present:
        return Result(host=task.host, result=0)
    want = wanted_ports(cluster, server_of(task.host))
    with netlink(task).session() as ipr:
        have = dump(ipr)
        changes = plan(have, want)
        task.host.data[UNPLUGGED] = unplugged(have, want)
        if changes and not task.is_dry_run(dry_run):
            _apply(ipr, changes, {link.name: link.index for link in have})
    diff = "\n".join(map(str, changes))
    return Result(host=task.host, changed=bool(changes), diff=diff, result=len(changes))


def _differences(link: Link, want: PortWanted) -> Iterator[Change]:
    if want.tap and not link.up:
        yield Change(link, want, "up", found=False, wanted=True)
    if want.tap and link.master is None:
        yield Change(link, want, "master", None, want.bridge)
    if link.master not in {None, want.bridge}:
        return
    for name, found, wanted in differences(link.port or Port(), isolated=want.isolated):
        yield Change(link, want, name, found, wanted)


def _apply(ipr: Session, changes: Sequence[Change], index: dict[str, int]) -> None:
    for change in changes:
        link, want = change.link, change.want
        if change.attribute == "up":
            set_up(ipr, link.name)
        elif change.attribute == "master":
            set_master(ipr, link.name, index[want.bridge])
        else:
            set_port(ipr, link, replace(Port(), isolated=want.isolated))

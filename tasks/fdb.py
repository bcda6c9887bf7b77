"""Forwarding databases: a guest's address only on its own port, a tunnel only to its peer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from nornir.core.task import Result, Task

from farswitch.connections.access import netlink
from farswitch.connections.netlink import fdb as forwarding
from farswitch.connections.netlink.fdb import ANYBODY, Entry
from farswitch.connections.netlink.links import Session, Tunnel, dump
from farswitch.links.apply import apply
from farswitch.links.plan import Add
from farswitch.links.wanted import wanted_tunnels
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest, Server
from farswitch.site.nornir_data import server_of


@dataclass(frozen=True, slots=True)
class Places:
    """Where each guest's address belongs on a server.

    Attributes:
        guests: By data address.
        own: The guest whose own bridge it is, by name; None for the switch's.
    """

    guests: Mapping[str, Guest]
    own: Mapping[str, Guest | None]

    @classmethod
    def of(cls, cluster: Cluster, server: Server) -> Places:
        """Return them for one of the cluster's servers."""
        by_mac = {guest.data_mac: guest for guest in cluster.guests}
        if server.role == "switch":
            return cls(by_mac, {cluster.switch_bridge: None})
        return cls(by_mac, {guest.bridge: guest for guest in cluster.guests_of(server.name)})

    def port(self, bridge: str, guest: Guest) -> str:
        """Return the port of one of the data network's bridges that leads to a guest."""
        near = self.own[bridge]
        if near is None:
            return guest.tunnel
        return guest.data_tap if guest.name == near.name else near.tunnel

    def misplaced(self, entry: Entry) -> bool:
        """Tell whether an entry leads frames to a guest elsewhere, or to the server itself."""
        guest = self.guests.get(entry.mac)
        if guest is None or entry.bridge is None or entry.bridge not in self.own:
            return False
        return entry.local or entry.device != self.port(entry.bridge, guest)


def astray(tunnel: Tunnel, found: Sequence[Entry]) -> Iterator[str]:
    """Yield what is wrong with where a tunnel sends frames, as sentences' parts; pure.

    Args:
        tunnel: As it is wanted.
        found: The entries of the tunnel itself.
    """
    default = [one for one in found if one.mac == ANYBODY]
    if not any(_leads_home(one, tunnel) for one in default):
        yield f"{tunnel.name} sends to no far end {tunnel.vxlan.remote}"
    for one in found:
        if not _leads_home(one, tunnel):
            whose = "all frames" if one.mac == ANYBODY else one.mac
            yield f"{tunnel.name} sends {whose} to {one.far}"


def plan(
    have: Sequence[Entry], cluster: Cluster, server: Server, tunnels: Sequence[Tunnel]
) -> tuple[list[Entry], list[Tunnel]]:
    """Return the entries to remove, and the tunnels to make anew; pure.

    Args:
        have: All entries of the server.
        cluster: Whose guests are meant.
        server: Which server it is.
        tunnels: Those that are wanted there, and are there.
    """
    places = Places.of(cluster, server)
    wrong = [entry for entry in have if entry.bridge and places.misplaced(entry)]
    own = of_tunnels(have)
    lost = [one for one in tunnels if any(astray(one, own.get(one.name, ())))]
    return wrong, lost


def of_tunnels(have: Sequence[Entry]) -> dict[str, list[Entry]]:
    """Return the entries of the tunnels themselves, by tunnel."""
    found: dict[str, list[Entry]] = {}
    for entry in have:
        if entry.far is not None:
            found.setdefault(entry.device, []).append(entry)
    return found


def fdb(
    task: Task,
    cluster: Cluster,
    *,
    device: str,
    mtu: int,
    dry_run: bool | None = None,
) -> Result:
    """Converge the forwarding databases of one server; its tunnels are as wanted otherwise.

    Args:
        task: The Nornir task of a server.
        cluster: The cluster.
        device: The underlay's device there.
        mtu: MTU of the data network, in bytes of IP packet.
        dry_run: True: tell the changes, make none. None: as the run says.

    Returns:
        A result whose `result` is the number of changes.

    Raises:
        LinkError: The kernel refused a change.
    """
    server = server_of(task.host)
    want = wanted_tunnels(cluster, server, device=device, mtu=mtu)
    with netlink(task).session() as ipr:
        links = dump(ipr)
        there = {link.name: link for link in links}
        tunnels = [one for one in want if (link := there.get(one.name)) and link.vxlan == one.vxlan]
        wrong, lost = plan(forwarding.entries(ipr), cluster, server, tunnels)
        anew = [Add(tunnel, there[tunnel.name]) for tunnel in lost]
        if not task.is_dry_run(dry_run):
            _remove(ipr, wrong)
            apply(ipr, links, anew)
    lines = [f"- fdb {one.mac} on {one.device}" for one in wrong] + [str(one) for one in anew]
    diff, count = "\n".join(lines), len(lines)
    return Result(host=task.host, changed=count > 0, diff=diff, result=count)


def _remove(ipr: Session, wrong: Sequence[Entry]) -> None:
    for entry in wrong:
        forwarding.delete(ipr, entry)


def _leads_home(entry: Entry, tunnel: Tunnel) -> bool:
    home = (ANYBODY, tunnel.vxlan.remote, False)
    return (entry.mac, entry.far, entry.elsewhere) == home

"""What was observed of a server's tunnels, and the commands that repair them there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from farswitch.connections.netlink import fdb
from farswitch.connections.netlink.fdb import Entry
from farswitch.connections.netlink.links import Link, Session, dump
from farswitch.links.forwarding import Forwarding
from farswitch.links.ownership import owns
from farswitch.links.wanted import wanted_forwarding, wanted_tunnels
from farswitch.model.cluster import Cluster
from farswitch.model.links import Tunnel
from farswitch.model.machines import Guest, Server
from farswitch.model.owner import Owner
from farswitch.proof.context import Context


def tells(cluster: Cluster, server: Server) -> bool:
    """Tell whether a server carries a switch that is no bridge, and says at which port who is."""
    traits = cluster.settings.switch.traits
    return server.role == "switch" and traits.attaches != "bridge" and traits.places


def wanted_places(cluster: Cluster, server: Server) -> Forwarding:
    """Return where each address belongs on a server, by bridge; such a switch by its kind."""
    places = wanted_forwarding(cluster, server)
    if not tells(cluster, server):
        return places
    own = {guest.data_mac: cluster.port_device(guest) for guest in cluster.guests}
    return {**places, cluster.settings.switch.kind: own}


@dataclass(frozen=True, slots=True)
class TunnelState:
    """The interfaces and forwarding databases of a server.

    Attributes:
        server: Which.
        owner: Whose interfaces are ours there.
        links: All its interfaces.
        entries: All entries of its bridges and tunnels, and of a switch that knows where who is.
        tunnels: The tunnels that are wanted there.
        command: Makes the line that runs a program there as root.
    """

    server: Server
    owner: Owner
    links: Sequence[Link]
    entries: Sequence[Entry]
    tunnels: Sequence[Tunnel]
    command: Callable[[Sequence[str]], str]

    @classmethod
    def read(cls, ipr: Session, context: Context, server: Server) -> TunnelState:
        """Read one of the cluster's servers."""
        device = context.device(server.name)
        want = wanted_tunnels(context.cluster, server, device=device, mtu=context.mtu)
        command = partial(context.command, server.name)
        owner = context.cluster.owner
        links = dump(ipr)
        entries = [*fdb.entries(ipr, links)]
        if tells(context.cluster, server):
            switch = context.cluster.settings.switch
            places = switch.places(context.hosts[server.name], owner)
            entries += [Entry(mac, device, bridge=switch.kind) for mac, device in places.items()]
        return cls(server, owner, links, entries, want, command)

    def link(self, name: str) -> Link | None:
        """Return an interface by its name."""
        return next((link for link in self.links if link.name == name), None)

    def tunnel(self, guest: Guest) -> Tunnel:
        """Return the wanted end of a guest's tunnel."""
        return next(one for one in self.tunnels if one.name == guest.tunnel)

    def ours(self, link: Link | None) -> bool:
        """Tell whether a build may change an interface."""
        return link is None or owns(self.owner, link)

    def remove(self, name: str) -> str:
        """Return the command that removes an interface."""
        return self.command(["ip", "link", "del", "dev", name])

    def repair(self, name: str, rebuild: str) -> str:
        """Return the command that repairs one of our interfaces.

        A build refuses what stands under our name without our mark: that has to go before.
        """
        return rebuild if self.ours(self.link(name)) else f"{self.remove(name)} && {rebuild}"

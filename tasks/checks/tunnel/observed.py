"""What the tunnels' checks see of one server, and the commands that mend it there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from farswitch.connections.netlink.fdb import Entry
from farswitch.connections.netlink.links import Link
from farswitch.links.plan import owns
from farswitch.links.wanted import wanted_tunnels
from farswitch.model.cluster import Cluster
from farswitch.model.links import Tunnel
from farswitch.model.machines import Guest, Server
from farswitch.model.owner import Owner


@dataclass(frozen=True, slots=True)
class Sight:
    """The interfaces and forwarding databases of a server.

    Attributes:
        server: Which.
        owner: Whose interfaces are ours there.
        links: All its interfaces.
        entries: All entries of its bridges and tunnels.
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
    def of(
        cls,
        cluster: Cluster,
        server: Server,
        seen: tuple[Sequence[Link], Sequence[Entry]],
        *,
        device: str,
        mtu: int,
        command: Callable[[Sequence[str]], str],
    ) -> Sight:
        """Return what was seen of one of the cluster's servers."""
        want = wanted_tunnels(cluster, server, device=device, mtu=mtu)
        return cls(server, cluster.owner, *seen, want, command)

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

    def mend(self, name: str, rebuild: str) -> str:
        """Return the command that mends one of our interfaces.

        A build refuses what stands under our name without our mark: that has to go before.
        """
        return rebuild if self.ours(self.link(name)) else f"{self.remove(name)} && {rebuild}"

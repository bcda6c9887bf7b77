"""What one look at a server finds of a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from farswitch.connections.libvirt.domains import State
from farswitch.connections.netlink.links import Link
from farswitch.errors import FarswitchError
from farswitch.links.underlay import Underlay, with_address
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Server
from farswitch.model.switch import SwitchState


@dataclass(frozen=True, slots=True)
class DomainProcess:
    """The process of a domain that runs.

    Attributes:
        uptime: In seconds.
        processor: Seconds of its server's processors that it used.
        memory: Bytes of its server's memory that it takes up.
    """

    uptime: int
    processor: float
    memory: int


def domain_processes(text: str) -> dict[str, DomainProcess]:
    """Read what `domain_processes.sh` printed, by the domains' names."""
    rows = (line.rsplit(" ", 3) for line in text.splitlines())
    return {
        name: DomainProcess(int(uptime), int(milliseconds) / 1000, int(memory))
        for name, uptime, milliseconds, memory in rows
    }


@dataclass(frozen=True, slots=True)
class ServerLook:
    """One look at a server.

    Attributes:
        underlay: Its side of the underlay, or why that is not what the site says.
        links: Every interface, with its counters.
        at: When they were counted, in seconds of the controller's monotonic clock.
        states: Of each domain, by name; none on the switch.
        processes: Of each domain that runs, by name.
        switch: Of the switch that holds the ports; None on a hypervisor, and where a bridge is the
            switch, whose ports say it all.
    """

    underlay: Underlay | FarswitchError
    links: tuple[Link, ...]
    at: float
    states: Mapping[str, State] = field(default_factory=dict)
    processes: Mapping[str, DomainProcess] = field(default_factory=dict)
    switch: SwitchState | None = None

    def link(self, name: str) -> Link | None:
        """Return the interface of that name, if there is one."""
        return next((link for link in self.links if link.name == name), None)


def underlay_devices(cluster: Cluster, looks: Mapping[str, ServerLook]) -> dict[str, str]:
    """Return each server's device of the underlay, also where that is not as it should be."""

    def device(server: Server) -> str:
        look = looks[server.name]
        if isinstance(look.underlay, Underlay):
            return look.underlay.device
        return next((link.name for link in with_address(server, look.links)), "?")

    return {server.name: device(server) for server in cluster.servers}

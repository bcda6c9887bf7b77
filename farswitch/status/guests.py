"""Each guest as it stands: running or not, its port of the switch, and what went through that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from farswitch.connections.netlink.links import Link, Traffic
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest
from farswitch.model.switch import SwitchState
from farswitch.status.observed import ServerLook

UNKNOWN, MISSING = "unknown", "missing"
"""Of what could not be looked at, and of what is not there."""
RUNNING, UP = "running", "up"


@dataclass(frozen=True, slots=True)
class GuestStatus:
    """A guest as it stands.

    Attributes:
        hypervisor: The server that it runs on.
        state: libvirt's word for its domain; "missing", "unknown".
        port: Of its port of the switch: "up", "down", "missing", "unknown", in which bridge else it
            is, or that the switch does not hold it.
        mtu: Of that port, in bytes.
        uptime: In seconds, of its virtual machine's process.
        processor: Seconds of its server's processors that it used since its start.
        memory: Bytes of its server's memory that it takes up.
        traffic: What the switch received from it and sent to it.
        at: When that was counted, in seconds of the controller's monotonic clock.
    """

    name: str
    hypervisor: str
    management_address: str
    data_address: str
    vni: int
    state: str
    port: str
    mtu: int | None
    uptime: int | None
    processor: float | None
    memory: int | None
    traffic: Traffic | None = field(repr=False)
    at: float | None = field(repr=False)

    @property
    def ok(self) -> bool:
        """Whether it runs and its port is up."""
        return self.state == RUNNING and self.port == UP


def guest_statuses(cluster: Cluster, looks: Mapping[str, ServerLook]) -> tuple[GuestStatus, ...]:
    """Return every guest's, from the looks at the servers that answered, by their names."""
    switch = looks.get(cluster.switch.name)
    ports = {link.name: link for link in switch.links} if switch else {}
    return tuple(
        _status(cluster, guest, looks.get(guest.hypervisor), switch, ports)
        for guest in cluster.guests
    )


def _status(
    cluster: Cluster,
    guest: Guest,
    hypervisor: ServerLook | None,
    switch: ServerLook | None,
    ports: Mapping[str, Link],
) -> GuestStatus:
    port = ports.get(guest.tunnel)
    state = hypervisor.states.get(guest.domain, MISSING) if hypervisor else UNKNOWN
    process = hypervisor.processes.get(guest.domain) if hypervisor else None
    return GuestStatus(
        name=guest.name,
        hypervisor=guest.hypervisor,
        management_address=str(guest.management_address.ip),
        data_address=str(guest.data_address.ip),
        vni=guest.vni,
        state=state,
        port=_port(cluster, guest, ports, switch.switch) if switch else UNKNOWN,
        mtu=port.mtu if port else None,
        uptime=process.uptime if process else None,
        processor=process.processor if process else None,
        memory=process.memory if process else None,
        traffic=port.traffic if port else None,
        at=switch.at if switch else None,
    )


def _port(
    cluster: Cluster, guest: Guest, links: Mapping[str, Link], state: SwitchState | None
) -> str:
    for name, master in cluster.port_links(guest).items():
        link = links.get(name)
        if link is None:
            return MISSING
        if master and link.master != master:
            return f"in {link.master}" if link.master else "in no bridge"
        forwarding = not master or (link.port is not None and link.port.forwarding)
        if not (link.up and link.running and forwarding):
            return "down"
    if state is None or cluster.port_device(guest) in state.held:
        return UP
    return f"not held by {cluster.switch_name}"

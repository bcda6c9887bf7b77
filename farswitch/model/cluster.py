"""Frozen models of what is wanted: servers, guests, and everything that follows from them.

Nothing here is discovered: a guest's VNI, MACs, addresses and interface names follow from its place
in the site, so that every controller computes the same ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Interface
from pathlib import Path

from farswitch.errors import ConfigError
from farswitch.model.impairment import PortImpairment
from farswitch.model.machines import Guest, Server, interface
from farswitch.model.node_names import expand, resized
from farswitch.model.owner import Owner
from farswitch.model.settings import (
    FIRST_GUEST_OFFSET,
    NO_MORE_PORTS,
    PORTS_PER_BRIDGE,
    VNI_MAX,
    LabNetworks,
    Settings,
)
from farswitch.model.switch import Attachment, Switch, SwitchPort, bridge_name


@dataclass(frozen=True, slots=True)
class Cluster:
    """A named set of servers and guests."""

    settings: Settings
    hypervisors: tuple[Server, ...]
    switch: Server
    guests: tuple[Guest, ...]

    @property
    def name(self) -> str:
        return self.settings.cluster

    @property
    def head(self) -> Guest:
        """The guest that exports NFS and starts MPI jobs."""
        return self.guests[0]

    @property
    def servers(self) -> tuple[Server, ...]:
        return (*self.hypervisors, self.switch)

    @property
    def switch_bridge(self) -> str:
        """The bridge on the switch server that is the switch, where the site wants one."""
        return bridge_name(self.owner)

    @property
    def management_bridge(self) -> str:
        """The bridge of the guests' management NICs on each hypervisor."""
        return self.settings.management_bridge

    @property
    def management_gateway(self) -> IPv4Interface:
        """The hypervisor's own address on the management bridge."""
        return interface(self.settings.management_network, 1)

    @property
    def owner(self) -> Owner:
        """The marks of the cluster's objects."""
        return Owner(self.name, self.settings.vni_base)

    @property
    def attachment(self) -> Attachment:
        """How the tunnels come to the switch."""
        return self.settings.switch.traits.attaches

    @property
    def port_namespace(self) -> str:
        """The path of another network namespace that has the far ends of plain ports; or empty."""
        return self.settings.switch.namespace(self.owner)

    def port_links(self, guest: Guest) -> dict[str, str | None]:
        """Return a guest's interfaces on the switch server, in the order of the way to the switch.

        Each with the bridge that it is a port of: the switch, or one that only leads there. What is
        in another network namespace is not among them.
        """
        match self.attachment:
            case "bridge":
                return {guest.tunnel: self.switch_bridge}
            case "plain port":
                bridge = guest.port_bridge
                ends = {} if self.port_namespace else {guest.port_end: None}
                return {guest.tunnel: bridge, guest.port_near: bridge, **ends}
            case "tunnel":
                return {guest.tunnel: None}

    @property
    def switch_name(self) -> str:
        """What the switch is called where hops of a frame are: its bridge, or its kind."""
        return self.switch_bridge if self.attachment == "bridge" else self.settings.switch.kind

    def way_to_switch(self, guest: Guest) -> dict[str, str]:
        """Return the interfaces that a frame of a guest passes on the switch server, up to it.

        By what each is, in the order of the way.
        """
        if self.attachment != "plain port":
            return {"port": guest.tunnel}
        return {
            "port": guest.tunnel,
            "port bridge": guest.port_bridge,
            "near end": guest.port_near,
            **({} if self.port_namespace else {"far end": guest.port_end}),
        }

    def port_device(self, guest: Guest) -> str:
        """Return what the switch holds of a guest: the last on the way to it."""
        return guest.port_end if self.attachment == "plain port" else guest.tunnel

    def counted_device(self, guest: Guest) -> str:
        """Return what counts a guest's frames at the switch: of a pair out of reach, its near end.

        That one counts as received what the switch sends.
        """
        return guest.port_near if self.port_namespace else self.port_device(guest)

    def switch_ports(self, mtu: int) -> tuple[SwitchPort, ...]:
        """Return the ports of the switch; the MTU is in bytes of IP packet."""
        return tuple(
            SwitchPort(
                number=guest.index,
                guest=guest.name,
                tunnel=guest.tunnel,
                device=self.port_device(guest),
                mac=guest.data_mac,
                vni=guest.vni,
                mtu=mtu,
            )
            for guest in self.guests
        )

    @property
    def impairments(self) -> dict[str, PortImpairment]:
        """What the site says is done to ports on purpose, by guest."""
        named = {name: port for text, port in self.settings.impairments for name in expand(text)}
        return {guest.name: named[guest.name] for guest in self.guests if guest.name in named}

    def with_switch(self, adapter: Switch) -> Cluster:
        """Return the same cluster with another switch."""
        settings = self.settings.model_copy(update={"switch": adapter})
        guests = (replace(guest, settings=settings) for guest in self.guests)
        return replace(self, settings=settings, guests=tuple(guests))

    def guest(self, name: str) -> Guest:
        """Return the guest of that name, which must be one of the cluster's."""
        return next(guest for guest in self.guests if guest.name == name)

    def server(self, name: str) -> Server:
        """Return the server of that name, which must be one of the cluster's."""
        return next(server for server in self.servers if server.name == name)

    def guests_of(self, hypervisor: str) -> tuple[Guest, ...]:
        """Return the guests on a hypervisor, in the order of the site."""
        return tuple(guest for guest in self.guests if guest.hypervisor == hypervisor)


@dataclass(frozen=True, slots=True)
class GuestEntry:
    """A guest as the site names it, before it has an index."""

    name: str
    hypervisor: str


@dataclass(frozen=True, slots=True)
class Site:
    """What a site's folder says; `cluster` makes the wanted cluster of it."""

    name: str
    path: Path
    settings: Settings
    hypervisors: tuple[Server, ...]
    switch: Server
    guests: tuple[GuestEntry, ...]

    @property
    def servers(self) -> tuple[Server, ...]:
        return (*self.hypervisors, self.switch)

    @property
    def lab(self) -> LabNetworks | None:
        """The lab's networks: with them, the servers are stand-ins of ours."""
        return self.settings.lab


def most_guests(settings: Settings) -> tuple[int, str]:
    """Return how many guests the settings allow, and the sentence's end that says why."""
    networks = (settings.data_network, settings.management_network)
    smaller = min(networks, key=lambda network: network.num_addresses)
    room = smaller.num_addresses - 2 - FIRST_GUEST_OFFSET
    return min(
        (max(0, room), f"{smaller} has addresses for no more"),
        (PORTS_PER_BRIDGE, NO_MORE_PORTS),
        (VNI_MAX - settings.vni_base + 1, f"there are no more VNIs from {settings.vni_base} on"),
    )


def cluster(site: Site, nodes: int | None = None) -> Cluster:
    """Make the wanted cluster of a site, with as many nodes as the site names where None is given.

    Fewer are cut from the end of the site's order, more go on with the last name's number: the
    guests that two sizes share are equal in both.

    Raises:
        ConfigError: That many guests cannot be.
    """
    count = len(site.guests) if nodes is None else nodes
    most, why = most_guests(site.settings)
    if not 1 <= count <= most:
        reason = f": {why}" if count > most else ""
        raise ConfigError(
            f"The number of guests is {count}, wanted a number from 1 to {most}{reason}."
        )
    names = resized(
        [entry.name for entry in site.guests], count, {server.name for server in site.servers}
    )
    homes = [entry.hypervisor for entry in site.guests]
    homes += homes[-1:] * (count - len(homes))
    if short := too_few_processors(site.settings, homes[:count]):
        raise ConfigError(f"The number of guests is {count}: {short}")
    guests = (
        Guest(name, index, home, site.settings, place=homes[: index - 1].count(home))
        for index, (name, home) in enumerate(zip(names, homes, strict=False), start=1)
    )
    return Cluster(site.settings, site.hypervisors, site.switch, tuple(guests))


def too_few_processors(settings: Settings, homes: Sequence[str]) -> str:
    """Return the sentence that says where guests outnumber `pin.vcpus`, empty where none do.

    `homes` are the hypervisors of all guests.
    """
    pinned = settings.pin.vcpus
    for home in dict.fromkeys(homes) if pinned else ():
        wanted = homes.count(home) * settings.vcpus
        if len(pinned) < wanted:
            return (
                f"'pin.vcpus' has {len(pinned)} processors, wanted {wanted} for "
                f"{homes.count(home)} guests of {settings.vcpus} on '{home}'."
            )
    return ""

"""Frozen models of what is wanted: servers, guests, and everything that follows from them.

Nothing here is discovered: a guest's VNI, MACs, addresses and interface names follow from its place
in the site, so that every controller computes the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address
from pathlib import Path
from typing import Literal

Role = Literal["hypervisor", "switch"]
FirewallMode = Literal["reset", "narrow", "check"]
Address = IPv4Address | IPv6Address

DATA_NETWORK = IPv4Network("10.0.0.0/24")
MANAGEMENT_NETWORK = IPv4Network("10.10.0.0/24")
FIRST_GUEST_OFFSET = 10
"""Addresses before the first guest's: .1 is the gateway, .2 to .10 are the user's."""
GROUP_BASE = 0x46000000
"""Upper byte ('F') of our link groups; the lower three are the first VNI (24 bits, RFC 7348)."""
OWN_IMAGE = "farswitch"
"""The value of `image.source` that asks for the image made from the system's own packages."""


@dataclass(frozen=True, slots=True)
class PortRange:
    """TCP ports `first` to `last`, both included."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Image:
    """What the guests boot: our own image, or the user's cloud image by path or URL."""

    source: str = OWN_IMAGE
    sha256: str | None = None

    @property
    def own(self) -> bool:
        return self.source == OWN_IMAGE


@dataclass(frozen=True, slots=True)
class Settings:
    """The choices of one cluster: memory in MiB, disk in GiB, times in seconds, MTU in bytes."""

    cluster: str
    vni_base: int = 41
    udp_port: int = 4789
    mtu: int | None = None
    data_network: IPv4Network = DATA_NETWORK
    management_network: IPv4Network = MANAGEMENT_NETWORK
    memory: int = 512
    vcpus: int = 1
    disk: int = 4
    image: Image = field(default_factory=Image)
    firewall: FirewallMode = "reset"
    user: str = "mpi"
    uid: int = 2000
    share: str = "/shared"
    launcher_ports: PortRange = PortRange(20000, 20099)
    payload_ports: PortRange = PortRange(21000, 21999)
    boot_timeout: int = 300
    pool: str = "farswitch"
    pool_path: str = "/var/lib/libvirt/images/farswitch"

    @property
    def capacity(self) -> int:
        """How many guests the smaller of the two networks has addresses for."""
        smaller = min(self.data_network.num_addresses, self.management_network.num_addresses)
        return max(0, smaller - 2 - FIRST_GUEST_OFFSET)


@dataclass(frozen=True, slots=True)
class Server:
    """A physical machine, and how it is reached."""

    name: str
    role: Role
    hostname: str
    underlay: Address
    user: str = "root"
    port: int = 22
    key_file: Path | None = None
    known_hosts: Path | None = None
    local: bool = False

    @property
    def sudo(self) -> bool:
        """Whether privileged commands need `sudo -n`."""
        return self.user != "root"


@dataclass(frozen=True, slots=True)
class Guest:
    """A virtual machine; `index` counts from 1 in the order of the site."""

    name: str
    index: int
    hypervisor: str
    settings: Settings

    @property
    def vni(self) -> int:
        return self.settings.vni_base + self.index - 1

    @property
    def domain(self) -> str:
        """The libvirt domain's name, unique on a hypervisor."""
        return f"{self.settings.cluster}-{self.name}"

    @property
    def bridge(self) -> str:
        """The guest's own bridge on its hypervisor."""
        return f"fsb{self.vni}"

    @property
    def tunnel(self) -> str:
        """The vxlan interface, with one name on the hypervisor and on the switch."""
        return f"fsv{self.vni}"

    @property
    def data_tap(self) -> str:
        return f"fsd{self.vni}"

    @property
    def management_tap(self) -> str:
        return f"fsm{self.vni}"

    @property
    def data_mac(self) -> str:
        return _mac(0, self.vni)

    @property
    def management_mac(self) -> str:
        return _mac(1, self.vni)

    @property
    def data_address(self) -> IPv4Interface:
        return _interface(self.settings.data_network, FIRST_GUEST_OFFSET + self.index)

    @property
    def management_address(self) -> IPv4Interface:
        return _interface(self.settings.management_network, FIRST_GUEST_OFFSET + self.index)


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
        """The software switch on the switch server."""
        return f"fss{self.settings.vni_base}"

    @property
    def management_bridge(self) -> str:
        """The bridge of the guests' management NICs on each hypervisor."""
        return f"fsg{self.settings.vni_base}"

    @property
    def management_gateway(self) -> IPv4Interface:
        """The hypervisor's own address on the management bridge."""
        return _interface(self.settings.management_network, 1)

    @property
    def link_group(self) -> int:
        """The link group of our interfaces: set at creation, hence an atomic mark."""
        return GROUP_BASE | self.settings.vni_base

    @property
    def guard_table(self) -> str:
        return f"farswitch_{self.name.replace('-', '_')}"

    @property
    def mark(self) -> str:
        """What an alias or a rule's comment starts with."""
        return f"farswitch:{self.name}"

    def guest(self, name: str) -> Guest:
        return next(guest for guest in self.guests if guest.name == name)

    def server(self, name: str) -> Server:
        return next(server for server in self.servers if server.name == name)

    def guests_of(self, hypervisor: str) -> tuple[Guest, ...]:
        return tuple(guest for guest in self.guests if guest.hypervisor == hypervisor)


def _mac(nic: int, vni: int) -> str:
    """Return a locally administered unicast address (IEEE 802: second bit of the first byte)."""
    value = (0x02FA << 32) | (nic << 24) | vni
    return ":".join(f"{byte:02x}" for byte in value.to_bytes(6, "big"))


def _interface(network: IPv4Network, offset: int) -> IPv4Interface:
    return IPv4Interface((network[offset], network.prefixlen))

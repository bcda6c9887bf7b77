"""The choices of one cluster, with their defaults: nothing in them depends on a machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Literal

FirewallMode = Literal["reset", "narrow", "check"]

DATA_NETWORK = IPv4Network("10.0.0.0/24")
MANAGEMENT_NETWORK = IPv4Network("10.10.0.0/24")
FIRST_GUEST_OFFSET = 10
"""Addresses before the first guest's: .1 is the gateway, .2 to .10 are the user's."""
OWN_IMAGE = "farswitch"
"""The value of `image.source` that asks for the image made from the system's own packages."""
VNI_MAX = 0xFFFFFF
"""A VNI has 24 bits (RFC 7348, section 5); 0 is left out, as it means "no VNI" to many tools."""
PORTS_PER_BRIDGE = 900
"""Guests of one switch: the kernel takes 1,023 ports a bridge (BR_MAX_PORTS), but there one flooded
frame overruns net.core.netdev_max_backlog (1000) and the oldest ports hear nothing; 900 all do."""


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
    anti_spoof: bool = False
    management_forwarding: bool = False
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

    @property
    def management_bridge(self) -> str:
        """The bridge of the guests' management NICs on each hypervisor."""
        return f"fsg{self.vni_base}"

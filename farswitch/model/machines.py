"""Servers and guests, and everything of a guest that follows from its place in the site."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address
from pathlib import Path
from typing import Literal

from farswitch.model.settings import FIRST_GUEST_OFFSET, Settings

Role = Literal["hypervisor", "switch"]
Address = IPv4Address | IPv6Address
DATA_NIC, MANAGEMENT_NIC = "data0", "mgmt0"
"""What a guest's two interfaces are called in it."""


@dataclass(frozen=True, slots=True)
class Server:
    """A physical machine, and how it is reached.

    No port means that of the user's ssh configuration, and 22 where that names none.
    """

    name: str
    role: Role
    hostname: str
    underlay: Address
    user: str = "root"
    port: int | None = None
    key_file: Path | None = None
    known_hosts: Path | None = None
    local: bool = False

    @property
    def sudo(self) -> bool:
        """Whether privileged commands need `sudo -n`."""
        return self.user != "root"


@dataclass(frozen=True, slots=True)
class Guest:
    """A virtual machine; `index` counts from 1 in the order of the site.

    `place` counts from 0 among the guests of its hypervisor.
    """

    name: str
    index: int
    hypervisor: str
    settings: Settings
    place: int = 0

    @property
    def vni(self) -> int:
        return self.settings.vni_base + self.index - 1

    @property
    def domain(self) -> str:
        """The libvirt domain's name, unique on a hypervisor."""
        return f"{self.settings.cluster}-{self.name}"

    @property
    def processors(self) -> tuple[int, ...]:
        """Those of its hypervisor that are its own, one for each of its; none where any will do."""
        return self.settings.pin.of(self.place, self.settings.vcpus)

    @property
    def bridge(self) -> str:
        """The guest's own bridge on its hypervisor."""
        return f"fsb{self.vni}"

    @property
    def tunnel(self) -> str:
        """The vxlan interface, with one name on the hypervisor and on the switch."""
        return f"fsv{self.vni}"

    @property
    def port_bridge(self) -> str:
        """The bridge on the switch server that joins the tunnel to a plain port."""
        return f"fsn{self.vni}"

    @property
    def port_near(self) -> str:
        """The end of a plain port that is in that bridge."""
        return f"fsp{self.vni}"

    @property
    def port_end(self) -> str:
        """The other end of a plain port, which is the switch's."""
        return f"fsx{self.vni}"

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
        return interface(self.settings.data_network, FIRST_GUEST_OFFSET + self.index)

    @property
    def management_address(self) -> IPv4Interface:
        return interface(self.settings.management_network, FIRST_GUEST_OFFSET + self.index)


def _mac(nic: int, vni: int) -> str:
    """Return a locally administered unicast address (IEEE 802: second bit of the first byte)."""
    value = (0x02FA << 32) | (nic << 24) | vni
    return ":".join(f"{byte:02x}" for byte in value.to_bytes(6, "big"))


def interface(network: IPv4Network, offset: int) -> IPv4Interface:
    """Return the address `offset` places into the network, with its prefix."""
    return IPv4Interface((network[offset], network.prefixlen))

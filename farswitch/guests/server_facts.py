"""What preflight found out about a server and later steps need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from farswitch.connections.netlink.links import Link
from farswitch.errors import Obstacle
from farswitch.guests.domain import MACHINE, Accelerator
from farswitch.links.offloads import InterfaceFacts
from farswitch.links.underlay import Underlay


@dataclass(frozen=True, slots=True)
class Facts:
    """What a server is; memory and disk are free MiB, `processors` those that are on.

    `links` are all its interfaces, as preflight saw them: later steps need not look again.
    `interfaces` has their offloads, and `versions` those of the kernel and of programs, by name.
    """

    underlay: Underlay
    accelerator: Accelerator
    memory: int
    disk: int
    processors: int
    links: Sequence[Link] = ()
    interfaces: Sequence[InterfaceFacts] = ()
    versions: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return what a preflight reports of a server that is ready."""
        way = f"{self.underlay.source} on '{self.underlay.device}', MTU {self.underlay.mtu}"
        return f"underlay {way}; {self.memory:,} MiB of memory and {self.disk:,} MiB of disk free"


def emulator_obstacles(server: str, accelerator: Accelerator, refusal: str) -> Iterator[Obstacle]:
    """Yield that libvirt has no program for our guests; `refusal` are its words, "" if it has."""
    if refusal:
        yield Obstacle(
            f"libvirt on '{server}' runs no machine of kind '{MACHINE}' by '{accelerator}': "
            f"{refusal}.",
            "Install QEMU for x86_64 there (Debian and Ubuntu: qemu-system-x86; RHEL and Fedora: "
            "qemu-kvm), and look again: virsh domcapabilities --arch x86_64 --machine q35",
        )

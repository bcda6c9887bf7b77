"""Guests that go: found by our mark, removed with their disks, seeds and logs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from farswitch.connections.libvirt.plugin import Hypervisor
from farswitch.connections.shell.base import Shell
from farswitch.guests.base_image import GUESTS
from farswitch.guests.domain import CONSOLE_FOLDER, disposable, read_mark
from farswitch.remote import script

QEMU_FOLDERS = ("/var/lib/libvirt/qemu", "/var/lib/libvirt/qemu/channel/target")
"""Where libvirt has a folder for each domain that runs; its key and sockets are in it."""
SHORT = 20
"""Characters of the name in it (VIR_DOMAIN_SHORT_NAME_MAX)."""


@dataclass(frozen=True, slots=True)
class Removal:
    """What goes from one hypervisor: the domain of each guest, and volumes of the pool."""

    domains: Mapping[str, str]
    pool: str
    volumes: tuple[str, ...]

    @property
    def lines(self) -> list[str]:
        """The lines of a diff."""
        domains = (f"- domain {name}" for name in self.domains.values())
        return [*domains, *(f"- volume {name}" for name in self.volumes)]


def observe(hypervisor: Hypervisor, cluster: str) -> dict[str, str]:
    """Return the domain of each guest of the cluster that libvirt knows, by the guest's name."""
    marks = ((state.name, read_mark(state.xml)) for state in hypervisor.list_domains())
    return {mark.guest: name for name, mark in marks if mark and mark.cluster == cluster}


def removal_of(
    hypervisor: Hypervisor, cluster: str, pool: str, goes: Callable[[str], bool]
) -> Removal:
    """Return what there is, in libvirt and its pool, of a cluster's guests whose name goes."""
    there = sorted(observe(hypervisor, cluster).items())
    domains = {guest: name for guest, name in there if goes(guest)}
    volumes = [volume.name for volume in hypervisor.volumes(pool) if volume.ours]
    return Removal(domains, pool, tuple(name for name in volumes if is_of(name, cluster, goes)))


def is_of(volume: str, cluster: str, goes: Callable[[str], bool]) -> bool:
    """Whether a volume, named CLUSTER.GUEST.WHAT, is of a guest that goes."""
    parts = GUESTS.fullmatch(volume)
    return parts is not None and parts[1] == cluster and goes(parts[2])


def short_name(domain: str, running: Collection[str]) -> str:
    """Return a switched-off domain's name in libvirt's folders; nothing where it is not its own."""
    short = domain[:SHORT]
    return "" if any(name[:SHORT] == short for name in running) else short


def remove(hypervisor: Hypervisor, login: Shell, removal: Removal) -> None:
    """Remove it; cut off anywhere, the rest is found again by its marks."""
    for name in removal.domains.values():
        hypervisor.destroy(name)
        # Cut off after this, a build makes the guest anew: it would start it without its disk.
        if state := hypervisor.domain(name):
            hypervisor.define(disposable(state.xml))
    for volume in removal.volumes:
        hypervisor.delete_volume(removal.pool, volume)
    running = [state.name for state in hypervisor.list_domains() if state.active]
    for name in removal.domains.values():  # the definition last: it bears the mark
        words = (CONSOLE_FOLDER, name, short_name(name, running), *QEMU_FOLDERS)
        login.run(["sh", "-c", script("domain_files"), "domain_files", *words])
        hypervisor.undefine(name)

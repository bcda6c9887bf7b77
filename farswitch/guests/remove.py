"""Guests that go: found by our mark, removed with their disks, seeds and logs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import PurePosixPath
from xml.etree import ElementTree as ET

from farswitch.connections.libvirt.domains import DomainState, LibvirtError
from farswitch.connections.libvirt.plugin import Hypervisor
from farswitch.connections.shell.base import Shell
from farswitch.guests.base_image import GUESTS
from farswitch.guests.domain import CONSOLE_FOLDER, disposable
from farswitch.guests.pool import opened, ours
from farswitch.remote import script

QEMU_FOLDERS = ("/var/lib/libvirt/qemu", "/var/lib/libvirt/qemu/channel/target")
"""Where libvirt has a folder for each domain that runs; its key and sockets are in it."""
SHORT = 20
"""Characters of the name in it (VIR_DOMAIN_SHORT_NAME_MAX)."""


@dataclass(frozen=True, slots=True)
class Removal:
    """What goes from one hypervisor: domains, each with its guest's, and volumes of the pool.

    A domain may bear another name than its guest's, and a copy of it the mark of the same guest.
    `path` is the pool's folder, as far as it is known.
    """

    domains: tuple[tuple[str, str], ...]
    pool: str
    volumes: tuple[str, ...]
    path: str = ""

    @property
    def lines(self) -> list[str]:
        """The lines of a diff."""
        domains = (f"- domain {name}" for _, name in self.domains)
        return [*domains, *(f"- volume {name}" for name in self.volumes)]


def observe(hypervisor: Hypervisor, cluster: str) -> list[DomainState]:
    """Return the domains that bear the mark of a guest of the cluster."""
    return [state for state in hypervisor.list_domains() if state.cluster == cluster]


def removal_of(
    hypervisor: Hypervisor,
    login: Shell,
    cluster: str,
    pool: str,
    goes: Callable[[str], bool],
    *,
    path: str = "",
) -> Removal:
    """Return what there is, in libvirt and its pool, of a cluster's guests whose name goes."""
    there = observe(hypervisor, cluster)
    path = path or next(filter(None, (_folder(state.xml) for state in there)), "")
    guests = ((state.guest or "", state.name) for state in there)
    domains = sorted((guest, name) for guest, name in guests if goes(guest))
    volumes = ours(hypervisor, login, pool, path)
    return Removal(
        tuple(domains), pool, tuple(name for name in volumes if is_of(name, cluster, goes)), path
    )


def _folder(xml: str) -> str:
    """Return where a domain's disk lies: its pool may have been undefined."""
    sources = ET.fromstring(xml).iterfind("devices/disk/source")  # noqa: S314 - libvirt's own
    files = (PurePosixPath(source.get("file", "")) for source in sources)
    return next((str(file.parent) for file in files if GUESTS.fullmatch(file.name)), "")


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
    for _, name in removal.domains:
        hypervisor.destroy(name)
        # Cut off after this, a build makes the guest anew: it would start it without its disk.
        if state := hypervisor.domain(name):
            with contextlib.suppress(LibvirtError):  # the disk is full, of volumes perhaps
                hypervisor.define(disposable(state.xml))
    if removal.volumes:
        with opened(hypervisor, login, removal.pool, removal.path):
            for volume in removal.volumes:
                hypervisor.delete_volume(removal.pool, volume)
    there = hypervisor.list_domains()
    running = [state.name for state in there if state.active]
    logs = {state.name: _console(state.xml) for state in there}
    for _, name in removal.domains:  # the definition last: it bears the mark
        for one in {name, logs.get(name) or name}:
            words = (CONSOLE_FOLDER, one, short_name(one, running), *QEMU_FOLDERS)
            login.run(["sh", "-c", script("domain_files"), "domain_files", *words])
        hypervisor.undefine(name)


def _console(xml: str) -> str:
    """Return the name that a domain had when it was defined: that of its console's log."""
    log = ET.fromstring(xml).find("devices/serial/log")  # noqa: S314 - libvirt's own
    path = PurePosixPath(log.get("file", "") if log is not None else "")
    return path.name.removesuffix("-console.log") if str(path.parent) == CONSOLE_FOLDER else ""

"""Snapshots of domains: memory and disk of one moment, which QEMU keeps within the disk.

They are libvirt's internal ones: both lie in the domain's qcow2 file, and go with it. What libvirt
itself keeps of them is a name, a description, and the domain as it was then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

import libvirt

from farswitch.connections.libvirt.domains import Domains, errors_named

PREFIX = "farswitch."
"""What the names of ours start with."""
_GONE = {libvirt.VIR_ERR_NO_DOMAIN_SNAPSHOT, libvirt.VIR_ERR_NO_DOMAIN}


@dataclass(frozen=True, slots=True)
class SnapshotState:
    """A snapshot of ours as libvirt has it.

    Attributes:
        name: Ours, without the prefix.
        taken: When, in seconds since 1970.
        about: Its description.
        running: The XML of the domain as it ran.
        defined: That of its lasting definition then.
    """

    name: str
    taken: int
    about: str
    running: str
    defined: str


class Snapshots(Domains):
    """The part of a hypervisor that knows the snapshots of its domains."""

    def pause(self, name: str) -> bool:
        """Let a domain stand still; return False when it does not run."""
        with errors_named(self.host, f"domain '{name}'"):
            domain = self.connection().lookupByName(name)
            if domain.state()[0] != libvirt.VIR_DOMAIN_RUNNING:
                return False
            domain.suspend()
            return True

    def resume(self, name: str) -> bool:
        """Let a domain that stands still go on; return False when it does not stand still."""
        with errors_named(self.host, f"domain '{name}'"):
            domain = self.connection().lookupByName(name)
            if domain.state()[0] != libvirt.VIR_DOMAIN_PAUSED:
                return False
            domain.resume()
            return True

    def snapshots(self, name: str) -> tuple[SnapshotState, ...]:
        """Return the snapshots of ours that a domain has, the oldest first; none without it."""
        with errors_named(self.host, f"snapshots of domain '{name}'"):
            domain = self._lookup(name)
            found = domain.listAllSnapshots() if domain else ()
            ours = [_state(one) for one in found if one.getName().startswith(PREFIX)]
        return tuple(sorted(ours, key=lambda one: one.taken))

    def take_snapshot(self, name: str, snapshot: str, about: str) -> None:
        """Keep memory and disk of a domain as they are now.

        Raises:
            LibvirtError: It has one of that name, cannot be kept, or there is no room.
        """
        made = ET.Element("domainsnapshot")
        ET.SubElement(made, "name").text = f"{PREFIX}{snapshot}"
        ET.SubElement(made, "description").text = about
        with errors_named(self.host, f"snapshot '{snapshot}' of domain '{name}'"):
            domain = self.connection().lookupByName(name)
            domain.snapshotCreateXML(ET.tostring(made, encoding="unicode"), 0)

    def revert(self, name: str, snapshot: str) -> None:
        """Have a domain as it was, standing still: QEMU starts anew with that memory and disk.

        What it is now is lost. The files of all its disks must be there, also those of read-only
        ones, whose content is not read.

        Raises:
            LibvirtError: libvirt refused; the domain may be off then.
        """
        flags = libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED | libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_FORCE
        with errors_named(self.host, f"snapshot '{snapshot}' of domain '{name}'"):
            domain = self.connection().lookupByName(name)
            domain.revertToSnapshot(domain.snapshotLookupByName(f"{PREFIX}{snapshot}"), flags)

    def delete_snapshot(self, name: str, snapshot: str) -> bool:
        """Forget a snapshot; return False when there is none.

        Of one whose disk was replaced there is nothing to delete, which libvirt does "not support":
        it only forgets it.

        Raises:
            LibvirtError: It is in the domain's disk, and does not go.
        """
        with errors_named(self.host, f"snapshot '{snapshot}' of domain '{name}'"):
            try:
                domain = self.connection().lookupByName(name)
                found = domain.snapshotLookupByName(f"{PREFIX}{snapshot}")
            except libvirt.libvirtError as error:
                if error.get_error_code() in _GONE:
                    return False
                raise
            try:
                found.delete()
            except libvirt.libvirtError as error:
                if error.get_error_code() != libvirt.VIR_ERR_OPERATION_UNSUPPORTED:
                    raise
                found.delete(libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY)
            return True


def _state(snapshot: Any) -> SnapshotState:
    name = snapshot.getName().removeprefix(PREFIX)
    root = ET.fromstring(snapshot.getXMLDesc())  # noqa: S314 - libvirt's own
    running = _xml(root.find("domain"))
    return SnapshotState(
        name=name,
        taken=int(root.findtext("creationTime", "0")),
        about=root.findtext("description", ""),
        running=running,
        defined=_xml(root.find("inactiveDomain")) or running,
    )


def _xml(element: ET.Element | None) -> str:
    return "" if element is None else ET.tostring(element, encoding="unicode")

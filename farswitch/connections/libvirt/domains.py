"""Domains of a hypervisor: few, typed calls that look at the state first."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, get_args
from xml.etree import ElementTree as ET

import libvirt

from farswitch.errors import FarswitchError

MARK_URI = "urn:farswitch:1"
"""The namespace of our element in a domain's metadata: what marks the domain as ours."""

CTRL_ALT_DEL = (29, 56, 111)
"""Key codes of Linux (input-event-codes.h)."""
HOLD_MS = 100

State = Literal[
    "no state", "running", "blocked", "paused", "in shutdown", "shut off", "crashed", "suspended"
]
STATES: tuple[State, ...] = get_args(State)
"""In the order of `virDomainState`."""
DISK_FAILED = (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_IOERROR)
NO_ROOM = ("No space left on device", "Disk quota exceeded")
ROOM = "Look there: df -h; df -i. Free some, or choose another 'pool_path' in the site."


class LibvirtError(FarswitchError):
    """libvirt refused; `code` is its VIR_ERR_*."""

    def __init__(self, host: str, what: str, error: Exception, *, hint: str = "") -> None:
        full = any(word in str(error) for word in NO_ROOM)
        super().__init__(f"libvirt on '{host}', {what}: {error}", hint=ROOM if full else hint)
        self.host = host
        self.what = what
        self.code = error.get_error_code() if isinstance(error, libvirt.libvirtError) else None


@dataclass(frozen=True, slots=True)
class DomainState:
    """A domain as libvirt has it; `cluster` and `guest` come from our mark, None without it.

    `disk_failed` says that libvirt paused it because a disk of it could not be read or written.
    """

    name: str
    uuid: str
    state: State
    persistent: bool
    xml: str
    cluster: str | None
    guest: str | None
    disk_failed: bool = False

    @property
    def active(self) -> bool:
        return self.state not in {"shut off", "crashed", "no state"}


class Domains(ABC):
    """The part of a hypervisor that knows domains."""

    host: str

    @abstractmethod
    def connection(self) -> Any:
        """Return the open virConnect."""

    def list_domains(self) -> tuple[DomainState, ...]:
        """Return every domain, ours and others', by name."""
        with errors_named(self.host, "list of domains"):
            states = [_state(domain) for domain in self.connection().listAllDomains()]
        return tuple(sorted(filter(None, states), key=lambda state: state.name))

    def states(self) -> dict[str, State]:
        """Return the state of every domain, by name, in one call."""
        with errors_named(self.host, "states of domains"):
            found = self.connection().getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE, 0)
            return {domain.name(): STATES[values["state.state"]] for domain, values in found}

    def domain(self, name: str) -> DomainState | None:
        """Return one domain, or None when there is none of that name."""
        with errors_named(self.host, f"domain '{name}'"):
            domain = self._lookup(name)
            return _state(domain) if domain else None

    def running_xml(self, name: str) -> str | None:
        """Return the XML of a domain as it runs; None where it is off or not there."""
        with errors_named(self.host, f"domain '{name}'"):
            domain = self._lookup(name)
            return str(domain.XMLDesc(0)) if domain and domain.isActive() else None

    def define(self, xml: str) -> None:
        """Define a domain, or change the definition of the one with the same name and uuid."""
        name = ET.fromstring(xml).findtext("name", "?")  # noqa: S314 - we wrote it
        with errors_named(self.host, f"domain '{name}'"):
            self.connection().defineXML(xml)

    def start(self, name: str) -> bool:
        """Start a domain; return False when it ran already.

        Raises:
            LibvirtError: There is no such domain, or it does not start.
        """
        with errors_named(self.host, f"domain '{name}'", hint=f"Look: virsh start {name}"):
            domain = self.connection().lookupByName(name)
            if domain.isActive():
                return False
            domain.create()
            return True

    def is_suspended(self, name: str) -> bool:
        """Return whether a domain is off and has its memory on the disk: its start goes on there.

        libvirt-guests does that, where it is set to, when a server goes down in order.
        """
        with errors_named(self.host, f"domain '{name}'"):
            domain = self._lookup(name)
            return bool(domain and not domain.isActive() and domain.hasManagedSaveImage())

    def discard_suspended(self, name: str) -> bool:
        """Forget the memory of a suspended domain: its start is a boot then."""
        with errors_named(self.host, f"domain '{name}'"):
            suspended = self.is_suspended(name)
            if suspended:
                self.connection().lookupByName(name).managedSaveRemove()
            return suspended

    def destroy(self, name: str) -> bool:
        """Pull the plug of a domain; return False when it was off or is not there."""
        with errors_named(self.host, f"domain '{name}'"):
            domain = self._lookup(name)
            if domain is None or not domain.isActive():
                return False
            try:
                domain.destroy()
            except libvirt.libvirtError:
                if _there(domain) and domain.isActive():  # else it ended by itself meanwhile
                    raise
            return True

    def ask_to_reboot(self, name: str) -> None:
        """Press Ctrl, Alt and Del: a system that still lives goes down in order and boots again."""
        with errors_named(self.host, f"domain '{name}'"):
            domain = self.connection().lookupByName(name)
            domain.sendKey(
                libvirt.VIR_KEYCODE_SET_LINUX, HOLD_MS, list(CTRL_ALT_DEL), len(CTRL_ALT_DEL), 0
            )

    def press_power_button(self, name: str) -> None:
        """Ask a running domain's system to shut down, by its agent or by ACPI."""
        with errors_named(self.host, f"domain '{name}'"):
            self.connection().lookupByName(name).shutdown()

    def undefine(self, name: str) -> bool:
        """Forget a domain with all that libvirt keeps of it; return False when it is not there."""
        with errors_named(self.host, f"domain '{name}'"):
            domain = self._lookup(name)
            if domain is None:
                return False
            domain.undefineFlags(_leftovers(domain))
            return True

    def _lookup(self, name: str) -> Any | None:
        try:
            return self.connection().lookupByName(name)
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return None
            raise


@contextmanager
def errors_named(host: str, what: str, *, hint: str = "") -> Iterator[None]:
    """Name in libvirt's errors what they are about.

    Raises:
        LibvirtError: libvirt refused.
    """
    try:
        yield
    except libvirt.libvirtError as error:
        raise LibvirtError(host, what, error, hint=hint) from error


def _state(domain: Any) -> DomainState | None:
    """Return the domain's state; None when it went away while we looked."""
    try:
        xml = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
        (number, reason), persistent = domain.state(), bool(domain.isPersistent())
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return None
        raise
    mark = ET.fromstring(xml).find(f"metadata/{{{MARK_URI}}}mark")  # noqa: S314 - libvirt's own
    ours = mark.attrib if mark is not None else {}
    return DomainState(
        name=domain.name(),
        uuid=domain.UUIDString(),
        state=STATES[number],
        persistent=persistent,
        xml=xml,
        cluster=ours.get("cluster"),
        guest=ours.get("guest"),
        disk_failed=(number, reason) == DISK_FAILED,
    )


def _there(domain: Any) -> bool:
    try:
        domain.info()
    except libvirt.libvirtError as error:
        return bool(error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN)
    return True


def _leftovers(domain: Any) -> int:
    """Return the flags that the domain needs; a driver may refuse those that it does not."""
    flags = 0
    if domain.hasManagedSaveImage():
        flags |= libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    if domain.snapshotNum():
        flags |= libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    if _has_checkpoints(domain):
        flags |= libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
    if "<nvram" in domain.XMLDesc(0):
        flags |= libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
    return flags


def _has_checkpoints(domain: Any) -> bool:
    try:
        return bool(domain.listAllCheckpoints())
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_SUPPORT:  # the driver has none
            return False
        raise

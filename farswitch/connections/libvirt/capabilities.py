"""What libvirt knows of a hypervisor's QEMU."""

from __future__ import annotations

import contextlib
import re
from abc import ABC, abstractmethod
from typing import Any
from xml.etree import ElementTree as ET

import libvirt

from farswitch.connections.libvirt.domains import errors_named

_LABEL = re.compile(r"\+(\d+):\+(\d+)")


def versions(connection: Any) -> dict[str, str]:
    """Return the versions of libvirt and of its emulator, by name; none that it does not tell."""
    found = {}
    for name, ask in (("libvirt", connection.getLibVersion), ("QEMU", connection.getVersion)):
        with contextlib.suppress(libvirt.libvirtError):
            number = ask()  # 1,000,000 * major + 1,000 * minor + release
            found[name] = f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"
    return found


class Capabilities(ABC):
    """The part of a hypervisor that knows its emulators."""

    host: str
    _labels: tuple[str, ...] | None = None
    """Of QEMU's users, of the present connection; None before somebody asks."""

    @abstractmethod
    def connection(self) -> Any:
        """Return the open virConnect."""

    def can_run(self, arch: str, machine: str, virt_type: str) -> str:
        """Return what keeps this libvirt from running a machine of this kind; "" if nothing does.

        It knows its emulator, wherever a distribution puts that.
        """
        try:
            self.connection().getDomainCapabilities(None, arch, machine, virt_type)
        except libvirt.libvirtError as error:
            return str(error)
        return ""

    def qemu_user(self) -> tuple[int, int] | None:
        """Return the numbers of the user and the group that run QEMU; None where nothing says it.

        They are those of qemu.conf.
        """
        if self._labels is None:
            labels = self._capabilities().iterfind("host/secmodel[model='dac']/baselabel")
            self._labels = tuple(label.text or "" for label in labels)
        for label in self._labels:
            if found := _LABEL.fullmatch(label):
                return int(found[1]), int(found[2])
        return None

    def _capabilities(self) -> ET.Element:
        with errors_named(self.host, "capabilities"):
            return ET.fromstring(self.connection().getCapabilities())  # noqa: S314 - libvirt's own

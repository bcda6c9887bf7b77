"""What pins a guest in libvirt: as its site wants it, and as a domain's XML has it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from farswitch.model.machines import Guest
from farswitch.model.pin import parse_cpus, written_cpus


@dataclass(frozen=True, slots=True)
class GuestPins:
    """What of its hypervisor a guest is pinned to; empty where any will do.

    Attributes:
        processors: By the guest's own processor: those of the hypervisor, as Linux lists them.
        emulator: Those of QEMU's other threads.
        memory: How strictly, and of which NUMA nodes.
        hugepages: Whether its memory is huge pages.
    """

    processors: tuple[tuple[int, str], ...] = ()
    emulator: str = ""
    memory: str = ""
    hugepages: bool = False

    def __str__(self) -> str:
        return ", ".join(self._words()) or "not pinned"

    def _words(self) -> Iterator[str]:
        for number, cpus in self.processors:
            yield f"its processor {number} on {cpus}"
        if self.emulator:
            yield f"QEMU's other threads on {self.emulator}"
        if self.memory:
            yield f"memory {self.memory}"
        if self.hugepages:
            yield "huge pages"


def wanted_pins(guest: Guest) -> GuestPins:
    """Return what the site pins a guest to."""
    pin = guest.settings.pin
    return GuestPins(
        processors=tuple((at, str(cpu)) for at, cpu in enumerate(guest.processors)),
        emulator=written_cpus(sorted(pin.emulator)),
        memory="" if pin.numa is None else f"strict of node {pin.numa}",
        hugepages=pin.hugepages,
    )


def read_pins(xml: str) -> GuestPins:
    """Return what a domain is pinned to, by its XML: of the one that runs, or its definition."""
    root = ET.fromstring(xml)  # noqa: S314 - libvirt's own
    pins = {
        int(one.get("vcpu", "0")): _cpus(one.get("cpuset"))
        for one in root.findall("cputune/vcpupin")
    }
    emulator, memory = root.find("cputune/emulatorpin"), root.find("numatune/memory")
    return GuestPins(
        processors=tuple(sorted(pins.items())),
        emulator="" if emulator is None else _cpus(emulator.get("cpuset")),
        memory=""
        if memory is None
        else f"{memory.get('mode', 'strict')} of node {memory.get('nodeset', 'auto')}",
        hugepages=root.find("memoryBacking/hugepages") is not None,
    )


def live_commands(domain: str, have: GuestPins, want: GuestPins) -> list[list[str]] | None:
    """Return what moves a running domain to the pins that are wanted; None: only a new start does.

    libvirt moves threads to processors at any time. It takes no pin off that nobody wants, and
    moves no memory.
    """
    if (have.memory, have.hugepages) != (want.memory, want.hugepages):
        return None
    if (have.processors and not want.processors) or (have.emulator and not want.emulator):
        return None
    there = dict(have.processors)
    commands = [
        ["virsh", "vcpupin", domain, str(number), cpus, "--live"]
        for number, cpus in want.processors
        if there.get(number) != cpus
    ]
    if have.emulator != want.emulator:
        commands.append(["virsh", "emulatorpin", domain, want.emulator, "--live"])
    return commands


def _cpus(text: str | None) -> str:
    """Return a list of processors as all are written here."""
    return written_cpus(sorted(parse_cpus(text)))

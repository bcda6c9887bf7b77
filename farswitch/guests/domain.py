"""A guest's libvirt domain: its XML, and the mark that says whose it is and how far it came."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, replace
from typing import Literal, cast
from xml.etree import ElementTree as ET

from farswitch.connections.libvirt.domains import MARK_URI
from farswitch.guests.base_image import BaseImage
from farswitch.model.machines import Guest
from farswitch.templates import render_template

CONSOLE_FOLDER = "/var/log/libvirt/qemu"
TB_CACHE_MIB = 64
"""QEMU's translation cache under emulation: 271 instead of 368 MiB a guest, no slower."""
MANAGEMENT_MTU = 1500

State = Literal["new", "ready", "stuck", "failed"]
"""new: never configured; ready: was; stuck: ran but did not answer; failed: did not boot again."""
Accelerator = Literal["kvm", "qemu"]
ARCH, MACHINE = "x86_64", "q35"
"""What every guest is, in libvirt's words."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Our metadata in a domain: owner, progress, image and number of its disk, definition."""

    cluster: str
    guest: str
    state: State
    image: str
    disk: int
    definition: str = ""

    @property
    def disk_volume(self) -> str:
        """The overlay's name in the pool; a dot stands in no name of a cluster or guest."""
        return f"{self.cluster}.{self.guest}.{self.disk}.qcow2"


def seed_volume(guest: Guest) -> str:
    """Return the name of the guest's seed in the pool."""
    return f"{guest.settings.cluster}.{guest.name}.seed.iso"


def console_log(domain: str) -> str:
    """Return the path of a domain's console log on its hypervisor."""
    return f"{CONSOLE_FOLDER}/{domain}-console.log"


MARK = f"./metadata/{{{MARK_URI}}}mark"
"""Where our mark is in the XML of a domain."""


def read_mark(xml: str) -> Mark | None:
    """Return our mark from a domain's XML, or None if it bears none."""
    element = ET.fromstring(xml).find(MARK)  # noqa: S314 - libvirt's own
    if element is None:
        return None
    value = element.get
    return Mark(
        cluster=value("cluster", ""),
        guest=value("guest", ""),
        state=cast("State", value("state", "new")),
        image=value("image", ""),
        disk=int(value("disk", "1")),
        definition=value("definition", ""),
    )


def disposable(xml: str) -> str:
    """Return a domain's XML with the mark of one whose disk is not to be kept."""
    root = ET.fromstring(xml)  # noqa: S314 - libvirt's own
    mark = root.find(MARK)
    if mark is not None:
        mark.set("state", "new")
    return ET.tostring(root, encoding="unicode")


@dataclass(frozen=True, slots=True)
class Hardware:
    """What a domain is made of besides the guest itself: paths on the hypervisor, MTU in bytes."""

    accelerator: Accelerator
    mtu: int
    pool_path: str
    image: BaseImage


def render(guest: Guest, mark: Mark, hardware: Hardware, *, seed: bool) -> str:
    """Return the domain's XML; the `definition` of its mark is computed here.

    The `seed` is attached at the first boot.
    """
    digest = definition(guest, mark, hardware)
    return _domain(guest, replace(mark, definition=digest), hardware, seed=seed)


def definition(guest: Guest, mark: Mark, hardware: Hardware) -> str:
    """Return the digest of a domain's definition, whatever the guest's progress and seed.

    It is made of elements, attributes and text, so that the template's layout does not matter.
    """
    steady = replace(mark, state="ready", definition="")
    root = ET.fromstring(_domain(guest, steady, hardware, seed=False))  # noqa: S314 - our own
    for element in root.iter():
        element.tail = None
        element.text = element.text if element.text and element.text.strip() else None
    return hashlib.sha256(ET.tostring(root)).hexdigest()[:16]


def _domain(guest: Guest, mark: Mark, hardware: Hardware, *, seed: bool) -> str:
    unique = f"{MARK_URI}:{guest.domain}:{guest.vni}"
    return render_template(
        "guests/domain.xml.j2",
        guest=guest,
        mark=mark,
        hardware=hardware,
        seed=seed_volume(guest) if seed else "",
        arch=ARCH,
        machine=MACHINE,
        uuid=uuid.uuid5(uuid.NAMESPACE_URL, unique),
        mark_uri=MARK_URI,
        console_log=console_log(guest.domain),
        management_mtu=MANAGEMENT_MTU,
        tb_cache_mib=TB_CACHE_MIB,
    )

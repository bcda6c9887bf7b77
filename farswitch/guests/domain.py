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

CONSOLE_FOLDER = "/var/log/libvirt/qemu"
TB_CACHE_MIB = 64
"""QEMU's translation cache under emulation: 271 instead of 368 MiB a guest, no slower."""
MANAGEMENT_MTU = 1500

State = Literal["new", "ready", "stuck", "failed"]
"""new: never configured; ready: was; stuck: ran but did not answer; failed: did not boot again."""
Accelerator = Literal["kvm", "qemu"]


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


_MARK = f"./metadata/{{{MARK_URI}}}mark"


def read_mark(xml: str) -> Mark | None:
    """Return our mark from a domain's XML, or None if it bears none."""
    element = ET.fromstring(xml).find(_MARK)  # noqa: S314 - libvirt's own
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
    mark = root.find(_MARK)
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
    """Return the domain's XML.

    Args:
        guest: Whose domain.
        mark: Our metadata; its `definition` is computed here.
        hardware: Accelerator, MTU and image.
        seed: Whether the seed is attached, as at the first boot.
    """
    digest = definition(guest, mark, hardware)
    xml = _domain(guest, replace(mark, definition=digest), hardware, seed=seed)
    return ET.tostring(xml, encoding="unicode")


def definition(guest: Guest, mark: Mark, hardware: Hardware) -> str:
    """Return the digest of a domain's definition, whatever the guest's progress and seed."""
    steady = replace(mark, state="ready", definition="")
    xml = ET.tostring(_domain(guest, steady, hardware, seed=False))
    return hashlib.sha256(xml).hexdigest()[:16]


def _domain(
    guest: Guest,
    mark: Mark,
    hardware: Hardware,
    *,
    seed: bool,
) -> ET.Element:
    settings = guest.settings
    root = ET.Element("domain", type=hardware.accelerator)
    _text(root, "name", guest.domain)
    _text(
        root, "uuid", str(uuid.uuid5(uuid.NAMESPACE_URL, f"{MARK_URI}:{guest.domain}:{guest.vni}"))
    )
    _metadata(root, mark)
    _text(root, "memory", str(settings.memory), unit="MiB")
    _text(root, "vcpu", str(settings.vcpus))
    _boot(root, hardware.image)
    _features(root, hardware.accelerator)
    ET.SubElement(root, "clock", offset="utc")
    _text(root, "on_crash", "destroy")
    devices = ET.SubElement(root, "devices")
    _disk(devices, f"{hardware.pool_path}/{mark.disk_volume}", "qcow2", "vda")
    if seed:
        _disk(devices, f"{hardware.pool_path}/{seed_volume(guest)}", "raw", "vdb", readonly=True)
    data, management = guest.data_tap, guest.management_tap
    _nic(devices, guest.data_mac, guest.bridge, data, hardware.mtu)
    nic = _nic(
        devices, guest.management_mac, settings.management_bridge, management, MANAGEMENT_MTU
    )
    ET.SubElement(nic, "port", isolated="yes")
    _console(devices, guest.domain)
    ET.SubElement(devices, "controller", type="usb", model="none")
    ET.SubElement(ET.SubElement(devices, "video"), "model", type="none")
    ET.SubElement(devices, "memballoon", model="none")
    return root


def _metadata(root: ET.Element, mark: Mark) -> None:
    ET.SubElement(
        ET.SubElement(root, "metadata"),
        f"{{{MARK_URI}}}mark",
        cluster=mark.cluster,
        guest=mark.guest,
        state=mark.state,
        image=mark.image,
        disk=str(mark.disk),
        definition=mark.definition,
    )


def _boot(root: ET.Element, image: BaseImage) -> None:
    os = ET.SubElement(root, "os")
    _text(os, "type", "hvm", arch="x86_64", machine="q35")
    if image.kernel:
        _text(os, "kernel", image.kernel)
        _text(os, "initrd", image.initrd)
        _text(os, "cmdline", image.cmdline)
    else:
        ET.SubElement(os, "boot", dev="hd")


def _features(root: ET.Element, accelerator: Accelerator) -> None:
    features = ET.SubElement(root, "features")
    ET.SubElement(features, "acpi")
    if accelerator == "kvm":
        ET.SubElement(root, "cpu", mode="host-passthrough")
    else:
        ET.SubElement(root, "cpu", mode="maximum")
        _text(ET.SubElement(features, "tcg"), "tb-cache", str(TB_CACHE_MIB), unit="MiB")


def _disk(
    devices: ET.Element, path: str, kind: str, target: str, *, readonly: bool = False
) -> None:
    disk = ET.SubElement(devices, "disk", type="file", device="disk")
    ET.SubElement(disk, "driver", name="qemu", type=kind)
    ET.SubElement(disk, "source", file=path)
    ET.SubElement(disk, "target", dev=target, bus="virtio")
    if readonly:
        ET.SubElement(disk, "readonly")


def _nic(devices: ET.Element, mac: str, bridge: str, tap: str, mtu: int) -> ET.Element:
    nic = ET.SubElement(devices, "interface", type="bridge")
    ET.SubElement(nic, "mac", address=mac)
    ET.SubElement(nic, "source", bridge=bridge)
    ET.SubElement(nic, "target", dev=tap)
    ET.SubElement(nic, "model", type="virtio")
    ET.SubElement(nic, "mtu", size=str(mtu))
    return nic


def _console(devices: ET.Element, domain: str) -> None:
    serial = ET.SubElement(devices, "serial", type="pty")
    ET.SubElement(serial, "log", file=console_log(domain), append="off")
    ET.SubElement(serial, "target", port="0")


def _text(parent: ET.Element, name: str, text: str, **attributes: str) -> None:
    ET.SubElement(parent, name, attributes).text = text

"""A guest's domain: what its XML says, and what a boot would do with what is there."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from farswitch.connections.libvirt.domains import DomainState
from farswitch.guests.base_image import BaseImage
from farswitch.guests.boot_plan import ObservedDomain, plan
from farswitch.guests.domain import Hardware, Mark, definition, read_mark, render
from farswitch.model.cluster import cluster
from farswitch.site.loader import ROOT, load_site

CLUSTER = cluster(load_site(str(ROOT / "inventory/lab")), None)
NODE2 = CLUSTER.guests[1]
OWN = BaseImage("base-own-0123456789abcdef", "/pool", "console=ttyS0")
OWNS = BaseImage(OWN.name, "/pool", "console=ttyS0 quiet")
USERS = BaseImage("base-user-0123456789abcdef", '/pool & <more>/"x"', "")
HARDWARE = Hardware("qemu", 1450, "/pool", OWN)
MARK = Mark("lab", "node2", "new", OWN.name, disk=1)


def xml(**changes: object) -> ET.Element:
    hardware = replace(HARDWARE, **changes)
    return ET.fromstring(render(NODE2, MARK, hardware, seed=True))


def test_nics_are_bound_to_their_bridges_taps_and_macs():
    data, management = xml().findall("devices/interface")
    assert data.find("source").get("bridge") == "fsb42"
    assert data.find("target").get("dev") == "fsd42"
    assert data.find("mac").get("address") == NODE2.data_mac
    assert data.find("mtu").get("size") == "1450"
    assert data.find("port") is None
    assert management.find("source").get("bridge") == "fsg41"
    assert management.find("port").get("isolated") == "yes"


def test_our_image_is_started_by_its_kernel_and_a_users_by_firmware():
    assert xml().findtext("os/kernel") == "/pool/base-own-0123456789abcdef.kernel"
    foreign = xml(image=OWN.named("base-user-0123456789abcdef"))
    assert foreign.findtext("os/kernel") is None
    assert foreign.find("os/boot").get("dev") == "hd"


def test_emulation_and_virtualisation_differ_in_processor():
    assert xml().get("type") == "qemu"
    assert xml().find("cpu").get("mode") == "maximum"
    fast = xml(accelerator="kvm")
    assert fast.get("type") == "kvm"
    assert fast.find("cpu").get("mode") == "host-passthrough"


def test_the_seed_is_attached_to_the_first_boot_only():
    without = ET.fromstring(render(NODE2, MARK, HARDWARE, seed=False))
    assert [disk.find("target").get("dev") for disk in xml().findall("devices/disk")] == [
        "vda",
        "vdb",
    ]
    assert [disk.find("target").get("dev") for disk in without.findall("devices/disk")] == ["vda"]


def test_a_mark_is_read_back_and_its_digest_ignores_progress():
    new = read_mark(render(NODE2, MARK, HARDWARE, seed=True))
    ready = read_mark(render(NODE2, replace(MARK, state="ready"), HARDWARE, seed=False))
    assert new == replace(MARK, definition=definition(NODE2, MARK, HARDWARE))
    assert new.definition == ready.definition
    assert read_mark("<domain><name>x</name></domain>") is None


@pytest.mark.parametrize(
    ("accelerator", "image", "number", "memory", "digest"),
    [
        ("kvm", OWNS, 1, 512, "2b299e18a68202c0"),
        ("kvm", OWNS, 2, 2048, "07b19bd38126eda5"),
        ("qemu", OWNS, 1, 512, "336c24076b50530b"),
        ("qemu", OWNS, 2, 2048, "27d97edab5a725b6"),
        ("kvm", USERS, 1, 512, "92aea8480f85b4fb"),
        ("kvm", USERS, 2, 2048, "5521a6a5b28ada76"),
        ("qemu", USERS, 1, 512, "94fcef442daf66e4"),
        ("qemu", USERS, 2, 2048, "30ed76041cca75c0"),
    ],
)
def test_the_digest_of_a_domain_that_stands_stays(accelerator, image, number, memory, digest):
    """The literals are those of release 0.1.0, in the metadata of its domains."""
    guest = CLUSTER.guests[number - 1]
    settings = guest.settings.model_copy(
        update={"memory": memory, "vcpus": 1 if number == 1 else 4}
    )
    hardware = Hardware(accelerator, 1450 if number == 1 else 8950, image.pool_path, image)
    mark = Mark("lab", guest.name, "new", image.name, disk=number)
    assert definition(replace(guest, settings=settings), mark, hardware) == digest


def have(state: str, progress: str = "ready", digest: str = "d") -> ObservedDomain:
    mark = replace(MARK, state=progress, definition=digest)
    return ObservedDomain(DomainState("lab-node2", "uuid", state, True, "", "lab", "node2"), mark)


@pytest.mark.parametrize(
    ("found", "actions"),
    [
        pytest.param(None, ["create"], id="absent-is-created"),
        pytest.param(have("running"), [], id="ready-and-running-is-left-alone"),
        pytest.param(have("shut off"), ["start"], id="switched-off-is-started"),
        pytest.param(have("running", "new"), ["replace"], id="never-ready-is-made-anew"),
        pytest.param(have("shut off", "failed"), ["replace"], id="failed-gets-a-new-disk"),
        pytest.param(have("running", "stuck"), ["restart"], id="stuck-is-restarted"),
        pytest.param(have("shut off", "stuck"), ["start"], id="stuck-and-off-is-started"),
        pytest.param(
            have("running", digest="other"), ["redefine"], id="other-memory-waits-for-a-restart"
        ),
        pytest.param(
            have("shut off", digest="other"), ["redefine", "start"], id="other-memory-when-off"
        ),
    ],
)
def test_a_boot_does_what_is_missing(found: ObservedDomain | None, actions: list[str]):
    assert plan(found, "d") == actions


@pytest.mark.parametrize(
    ("found", "actions"),
    [
        pytest.param(have("running"), ["replug"], id="started-anew"),
        pytest.param(have("shut off"), ["start"], id="one-that-is-off-has-none"),
        pytest.param(have("running", "stuck"), ["restart"], id="a-restart-plugs-it-in-too"),
        pytest.param(have("running", "new"), ["replace"], id="a-new-one-too"),
    ],
)
def test_a_guest_without_its_tap_is_started_anew(found: ObservedDomain, actions: list[str]):
    assert plan(found, "d", plugged=False) == actions

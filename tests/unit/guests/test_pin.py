"""Guests with processors and memory of their own: how a site says it, and what comes of it."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from farswitch.connections.netlink.links import Link
from farswitch.errors import ConfigError
from farswitch.guests.base_image import BaseImage
from farswitch.guests.domain import Hardware, Mark, render
from farswitch.guests.pin_preflight import PinProbe, parse, pin_obstacles
from farswitch.guests.pins import GuestPins, live_commands, read_pins, wanted_pins
from farswitch.links.wanted_server import wanted_server
from farswitch.model.cluster import Cluster, GuestEntry, Site, cluster
from farswitch.model.pin import Pin, parse_cpus, written_cpus
from farswitch.model.settings import Settings
from farswitch.remote import shell_command, source
from farswitch.site.loader import ROOT, load_site
from tests.unit.report.runs import run

SITE = load_site(str(ROOT / "inventory/lab"))
HARDWARE = Hardware("kvm", 1450, "/pool", BaseImage("base-own-0123456789abcdef", "/pool", ""))


def site(homes: str = "111", **changes: object) -> Site:
    """Return the lab's site with guests on hypervisors of these numbers."""
    second = replace(SITE.hypervisors[0], name="server3")
    names = {"1": "server1", "3": "server3"}
    guests = tuple(GuestEntry(f"node{at}", names[one]) for at, one in enumerate(homes, start=1))
    settings = SITE.settings.model_copy(update=changes)
    return replace(SITE, settings=settings, guests=guests, hypervisors=(*SITE.hypervisors, second))


def xml(made: Cluster, number: int) -> ET.Element:
    guest = made.guests[number - 1]
    mark = Mark("lab", guest.name, "new", HARDWARE.image.name, disk=1)
    return ET.fromstring(render(guest, mark, HARDWARE, seed=False))


@pytest.mark.parametrize(
    ("text", "cpus"),
    [("2-5,8", (2, 3, 4, 5, 8)), ("0", (0,)), (3, (3,)), ("8,2-3", (8, 2, 3)), (None, ())],
)
def test_processors_are_read_as_linux_lists_them_and_written_back(text, cpus):
    assert parse_cpus(text) == cpus
    assert parse_cpus(written_cpus(cpus) or None) == cpus


@pytest.mark.parametrize("text", ["", "5-2", "1,1", "0-3,2", "a", "1-", "9999", True, 1.5, "-1"])
def test_what_is_no_list_of_processors_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 - the titles of fields say what is wanted
        parse_cpus(text)


def test_guests_get_processors_in_turn_on_each_hypervisor():
    made = cluster(site("11313", vcpus=2, pin=Pin(vcpus=(4, 5, 6, 7, 8, 9))))
    assert [guest.processors for guest in made.guests] == [
        (4, 5), (6, 7), (4, 5), (8, 9), (6, 7),
    ]  # fmt: skip


def test_a_guest_keeps_its_processors_when_others_are_added():
    wanted = site("11", pin=Pin(vcpus=(2, 3, 4, 5)))
    few, many = cluster(wanted, 2), cluster(wanted, 4)
    assert many.guests[:2] == few.guests
    with pytest.raises(ConfigError, match="has 4 processors, wanted 5 for 5 guests"):
        cluster(wanted, 5)


def test_a_pinned_domain_says_so_to_libvirt():
    made = cluster(
        site(vcpus=2, pin=Pin(vcpus=tuple(range(2, 8)), emulator=(0, 1), numa=1, hugepages=True))
    )
    root = xml(made, 2)
    pins = [(one.get("vcpu"), one.get("cpuset")) for one in root.findall("cputune/vcpupin")]
    assert pins == [("0", "4"), ("1", "5")]
    assert root.find("cputune/emulatorpin").get("cpuset") == "0,1"
    assert root.find("numatune/memory").attrib == {"mode": "strict", "nodeset": "1"}
    assert root.find("memoryBacking/hugepages") is not None


def test_one_that_is_not_pinned_says_nothing():
    root = xml(cluster(site()), 1)
    assert {"cputune", "numatune", "memoryBacking"} & {one.tag for one in root} == set()


@pytest.mark.parametrize(
    ("pin", "said"),
    [
        (Pin(), "not pinned"),
        (Pin(vcpus=tuple(range(2, 8)), emulator=(1, 0), numa=1, hugepages=True), (
            "its processor 0 on 4, its processor 1 on 5, QEMU's other threads on 0-1, memory "
            "strict of node 1, huge pages"
        )),
        (Pin(emulator=(3, 0, 1)), "QEMU's other threads on 0-1,3"),
        (Pin(numa=0), "memory strict of node 0"),
        (Pin(hugepages=True), "huge pages"),
    ],
)  # fmt: skip
def test_the_pins_of_a_domains_xml_are_those_of_its_site(pin, said):
    guest = cluster(site(vcpus=2, pin=pin)).guests[1]
    mark = Mark("lab", guest.name, "new", HARDWARE.image.name, disk=1)
    read = read_pins(render(guest, mark, HARDWARE, seed=False))
    assert read == wanted_pins(guest)
    assert str(read) == said


MOVED, LATER = GuestPins(((0, "2"), (1, "3")), "0"), GuestPins(((0, "2"), (1, "4")), "1")


@pytest.mark.parametrize(
    ("have", "want", "commands"),
    [
        (MOVED, MOVED, []),
        (LATER, MOVED, ["vcpupin g 1 3 --live", "emulatorpin g 0 --live"]),
        (GuestPins(), MOVED, ["vcpupin g 0 2 --live", "vcpupin g 1 3 --live",
                              "emulatorpin g 0 --live"]),
        (MOVED, GuestPins(), None),
        (MOVED, GuestPins(MOVED.processors), None),
        (replace(MOVED, memory="strict of node 1"), MOVED, None),
        (MOVED, replace(MOVED, hugepages=True), None),
    ],
)  # fmt: skip
def test_what_moves_a_guest_that_runs(have, want, commands):
    found = live_commands("g", have, want)
    wanted = None if commands is None else [["virsh", *one.split()] for one in commands]
    assert found == wanted


TEXT = """\
uid 0
processors 0-3
nodes 0
hugepages all 2048 600
hugepages 0 2048 300
"""


def test_what_a_server_has_is_read():
    assert parse(TEXT) == PinProbe(frozenset(range(4)), frozenset({0}), {"all": 1200, "0": 600})
    assert parse("processors \nnodes \nhugepages all 0 \n") == PinProbe(
        frozenset(), frozenset(), {}
    )


def test_the_probe_runs_here():
    argv = shell_command("preflight", source("interfaces"), "/tmp", "4789", "sh")
    found = parse(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)
    assert 0 in found.processors
    assert found.hugepages.keys() >= {"all"}


@pytest.mark.parametrize(
    ("pin", "present", "words"),
    [
        (Pin(vcpus=(1, 2, 3), emulator=(0,), numa=0), 0, []),
        (Pin(vcpus=(2, 3, 4, 5)), 0, ["has processors 0-3, wanted 4-5, too, for 'pin.vcpus'"]),
        (Pin(emulator=(9,)), 0, ["wanted 9, too, for 'pin.emulator'"]),
        (Pin(numa=2), 0, ["has NUMA nodes 0, wanted 2"]),
        (Pin(hugepages=True), 1, []),
        (Pin(hugepages=True), 0, ["has 1200 MiB of free huge pages, wanted 1536 for 3 more"]),
        (Pin(hugepages=True, numa=0), 1, ["600 MiB of free huge pages on node 0, wanted 1024"]),
    ],
)
def test_what_a_hypervisor_has_not_is_named(pin, present, words):
    made = cluster(site(pin=pin))
    taps = [Link(at, guest.data_tap) for at, guest in enumerate(made.guests[:present], start=2)]
    found = list(pin_obstacles(wanted_server(made, made.hypervisors[0]), TEXT, taps))
    assert len(found) == len(words)
    assert all(word in one.what for word, one in zip(words, found, strict=True))


def test_settings_come_back_from_a_runs_document():
    kept = SITE.settings.model_copy(update={"pin": Pin(vcpus=(2, 3))}).model_dump(mode="json")
    assert kept["pin"] == {"vcpus": "2-3", "emulator": None, "numa": None, "hugepages": False}
    chosen = {name: value for name, value in kept.items() if value is not None}
    assert Settings.model_validate(chosen).pin == Pin(vcpus=(2, 3))
    assert run().guests[0].processors == ""

"""Where libvirt has guests, against where their site says: `guest.pin` of verify."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from nornir.core.inventory import Host

from farswitch.guests.base_image import BaseImage
from farswitch.guests.domain import Hardware, Mark, render
from farswitch.model.cluster import Cluster, cluster
from farswitch.model.pin import Pin
from farswitch.proof.check import Check
from farswitch.proof.context import Context
from farswitch.site.loader import ROOT, load_site
from tasks.checks.guest.pin import CHANGED, MOVED, PROBE
from tests.proving import checks_of

PINNED = Pin(vcpus=(2, 3), emulator=(0,), numa=0, hugepages=True)
SAID = "its processor 0 on 2, QEMU's other threads on 0, memory strict of node 0, huge pages"
HARDWARE = Hardware("kvm", 1450, "/pool", BaseImage("base-own-0123456789abcdef", "/pool", ""))


def lab(pin: Pin) -> Cluster:
    site = load_site(str(ROOT / "inventory/lab"))
    hypervisors = tuple(replace(one, local=True) for one in site.hypervisors)
    settings = site.settings.model_copy(update={"pin": pin})
    return cluster(replace(site, settings=settings, hypervisors=hypervisors), 2)


def xml(pin: Pin) -> str:
    """Return the XML of the first guest, pinned so."""
    guest = lab(pin).guests[0]
    return render(guest, Mark("lab", guest.name, "ready", "", disk=1), HARDWARE, seed=False)


def checks(want: Pin, running: Pin | None, defined: Pin) -> list[Check]:
    """Return the verdicts on two guests, of which the first one is there."""

    def list_domains() -> list[Any]:
        return [SimpleNamespace(name="lab-node1", xml=xml(defined))]

    def running_xml(name: str) -> str | None:
        assert name == "lab-node1"
        return None if running is None else xml(running)

    host = Host("server1")
    libvirt = SimpleNamespace(list_domains=list_domains, running_xml=running_xml)
    host.connections["libvirt"] = SimpleNamespace(connection=libvirt)
    there = lab(want)
    hosts = {"server1": host}
    return checks_of(Context(there, cast("Any", None), 1450, hosts, Path("/l"), "build"), PROBE)


def but(**other: Any) -> Pin:
    """Return the site's pins, but for some."""
    return PINNED.model_copy(update=other)


@pytest.mark.parametrize(
    ("running", "defined", "measured", "cause", "fix"),
    [
        (
            but(emulator=(1,)), PINNED, SAID.replace("on 0", "on 1"), MOVED,
            "virsh emulatorpin lab-node1 0 --live",
        ),
        (
            but(vcpus=(3, 2), emulator=(1,)), PINNED,
            SAID.replace("on 2", "on 3").replace("on 0", "on 1"), MOVED,
            "sh -c 'virsh vcpupin lab-node1 0 2 --live && virsh emulatorpin lab-node1 0 --live'",
        ),
        (
            but(hugepages=False), PINNED, SAID.removesuffix(", huge pages"), MOVED,
            "virsh destroy lab-node1 && build",
        ),
        (
            PINNED, but(numa=1),
            f"{SAID}; at its next start: {SAID.replace('node 0', 'node 1')}", CHANGED, "build",
        ),
        (
            Pin(), Pin(), "not pinned; at its next start: not pinned", CHANGED,
            "virsh destroy lab-node1 && build",
        ),
    ],
)  # fmt: skip
def test_other_pins_are_named_with_what_mends_them(running, defined, measured, cause, fix):
    found, off = checks(PINNED, running, defined)
    assert (found.ok, found.measured, found.expected) == (False, measured, SAID)
    assert (found.cause, found.fix) == (cause, fix)
    assert (off.host, off.ok) == ("node2", None)


@pytest.mark.parametrize("pin", [Pin(), PINNED])
def test_the_sites_own_pins_pass(pin):
    found, _ = checks(pin, pin, pin)
    assert found.ok


def test_a_guest_that_is_off_is_a_skip():
    assert [check.ok for check in checks(PINNED, None, Pin())] == [None, None]

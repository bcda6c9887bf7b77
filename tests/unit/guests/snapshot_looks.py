"""Guests with parts of snapshots in their disks, as a look finds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from farswitch.connections.libvirt.domains import DomainState
from farswitch.connections.libvirt.snapshots import SnapshotState
from farswitch.guests.base_image import BaseImage
from farswitch.guests.domain import Hardware, Mark, render
from farswitch.guests.snapshots import GuestSnapshots, SnapshotAbout
from farswitch.model.machines import Guest

IMAGE = BaseImage("base-own-1", "/pool", "")


def xml_of(guest: Guest, *, disk: int = 1, mtu: int = 1450, seed: bool = False, **size: int) -> str:
    settings = guest.settings.model_copy(update=size)
    mark = Mark(settings.cluster, guest.name, "ready", IMAGE.name, disk)
    return render(replace(guest, settings=settings), mark, Hardware("qemu", mtu, "/pool", IMAGE),
                  seed=seed)  # fmt: skip


def domain(guest: Guest, xml: str) -> DomainState:
    return DomainState(guest.domain, "", "running", True, xml, guest.settings.cluster, guest.name)


def about(nodes: Sequence[str], save: str = "a", cluster: str = "lab") -> str:
    return SnapshotAbout(cluster=cluster, nodes=tuple(nodes), save=save).model_dump_json()


def part(guest: Guest, said: str, name: str = "one", taken: int = 100) -> SnapshotState:
    return SnapshotState(name, taken, said, xml_of(guest, seed=True), xml_of(guest))


def looks(guests: Sequence[Guest], save: str = "a") -> dict[str, GuestSnapshots]:
    """Return guests that run, each with its part of a snapshot 'one' of all."""
    said = about([guest.name for guest in guests], save, guests[0].settings.cluster)
    return {
        guest.name: GuestSnapshots(domain(guest, xml_of(guest)), (part(guest, said),))
        for guest in guests
    }

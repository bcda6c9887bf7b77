"""Which snapshots of a cluster there are, and why one cannot be restored."""

from __future__ import annotations

from dataclasses import replace

import pytest

from farswitch.connections.libvirt.domains import DomainState
from farswitch.connections.libvirt.snapshots import SnapshotState
from farswitch.errors import ConfigError
from farswitch.guests.base_image import BaseImage
from farswitch.guests.domain import Hardware, Mark, render
from farswitch.guests.snapshots import (
    GuestSnapshots,
    SnapshotAbout,
    carry_on,
    cluster_snapshots,
    hold_seconds,
    let_go,
    needs_seed,
)
from farswitch.model.cluster import cluster
from farswitch.model.machines import Guest
from farswitch.rollback.confirmed_change import MOST_HOLD_SECONDS
from farswitch.site.loader import ROOT, load_site
from workflows.snapshot import check_name

GUESTS = cluster(load_site(str(ROOT / "inventory/lab")), None).guests
NODES = tuple(guest.name for guest in GUESTS)
IMAGE = BaseImage("base-own-1", "/pool", "")


def xml_of(guest: Guest, *, disk: int = 1, mtu: int = 1450, seed: bool = False, **size: int) -> str:
    settings = guest.settings.model_copy(update=size)
    mark = Mark("lab", guest.name, "ready", IMAGE.name, disk)
    return render(replace(guest, settings=settings), mark, Hardware("qemu", mtu, "/pool", IMAGE),
                  seed=seed)  # fmt: skip


def domain(guest: Guest, xml: str) -> DomainState:
    return DomainState(guest.domain, "", "running", True, xml, "lab", guest.name)


def about(save: str = "a", nodes: tuple[str, ...] = NODES, cluster: str = "lab") -> str:
    return SnapshotAbout(cluster=cluster, nodes=nodes, save=save).model_dump_json()


def part(guest: Guest, said: str | None = None, name: str = "one", taken: int = 100):
    said = about() if said is None else said
    return SnapshotState(name, taken, said, xml_of(guest, seed=True), xml_of(guest))


def looks() -> dict[str, GuestSnapshots]:
    return {
        guest.name: GuestSnapshots(domain(guest, xml_of(guest)), (part(guest),)) for guest in GUESTS
    }


def refusal(found: dict[str, GuestSnapshots]) -> str:
    (one,) = cluster_snapshots(found, "lab")
    return one.refusal


def test_one_that_all_guests_have_can_be_restored():
    (one,) = cluster_snapshots(looks(), "lab")
    assert (one.name, one.nodes, one.refusal) == ("one", NODES, "")
    assert one.moment == "1970-01-01T00:01:40+00:00"


def test_the_oldest_comes_first():
    found = looks()
    for guest in GUESTS:
        parts = (part(guest), part(guest, name="older", taken=50))
        found[guest.name] = replace(found[guest.name], parts=parts)
    assert [one.name for one in cluster_snapshots(found, "lab")] == ["older", "one"]


def test_one_that_a_guest_lacks_is_refused():
    found = looks()
    found["node2"] = replace(found["node2"], parts=())
    assert refusal(found).startswith("node2 is not in it")


def test_parts_of_two_saves_are_no_whole():
    found = looks()
    found["node2"] = replace(found["node2"], parts=(part(GUESTS[1], about("b")),))
    assert "in different saves" in refusal(found)


@pytest.mark.parametrize("nodes", [NODES[:2], (*NODES, "node4")])
def test_one_of_another_size_is_refused(nodes):
    found = looks()
    for guest in GUESTS:
        found[guest.name] = replace(found[guest.name], parts=(part(guest, about(nodes=nodes)),))
    assert "and the cluster has node[1-3] now" in refusal(found)


@pytest.mark.parametrize("said", ["", "by hand", "{}", about(cluster="other")])
def test_one_that_somebody_else_described_is_refused(said):
    found = looks()
    found["node1"] = replace(found["node1"], parts=(part(GUESTS[0], said),))
    assert "not made by farswitch for this cluster" in refusal(found)


@pytest.mark.parametrize(
    ("change", "word"),
    [({"disk": 2}, "disk"), ({"memory": 768}, "memory"), ({"mtu": 1400}, "MTU"),
     ({"vcpus": 2}, "number of processors"), ({"vni_base": 77}, "bridge")],
)  # fmt: skip
def test_what_has_changed_since_is_named(change, word):
    found = looks()
    now = domain(GUESTS[1], xml_of(GUESTS[1], **change))
    found["node2"] = replace(found["node2"], domain=now)
    assert refusal(found).startswith("node2 has another ")
    assert word in refusal(found)


def test_a_domain_that_is_gone_is_named():
    found = looks()
    found["node3"] = replace(found["node3"], domain=None)
    assert refusal(found) == "node3 has another domain now"


def test_a_seed_that_was_attached_is_found():
    assert needs_seed(part(GUESTS[0]))
    assert not needs_seed(replace(part(GUESTS[0]), running=xml_of(GUESTS[0])))


def test_guests_stand_still_no_longer_than_so_many_need():
    assert hold_seconds(1) < hold_seconds(10) < hold_seconds(900) == MOST_HOLD_SECONDS


def test_the_scripts_name_every_guest():
    parts = {guest.name: part(guest) for guest in GUESTS}
    for script in (let_go(GUESTS, "one"), carry_on(GUESTS, parts, "/pool")):
        assert all(guest.domain in script for guest in GUESTS)
        assert "farswitch.one" in script


@pytest.mark.parametrize("name", ["", "-x", "a b", "a/b", "ä", "x" * 65, "a;b", ".."])
def test_a_name_with_other_characters_is_refused(name):
    with pytest.raises(ConfigError, match="cannot be the name of a snapshot"):
        check_name(name)

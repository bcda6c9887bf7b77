"""Which snapshots of a cluster there are, and why one cannot be restored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from farswitch.connections.libvirt.snapshots import SnapshotState
from farswitch.errors import ConfigError
from farswitch.guests.snapshots import (
    GuestSnapshots,
    carry_on,
    cluster_snapshots,
    hold_seconds,
    let_go,
    needs_seed,
)
from farswitch.model.cluster import cluster
from farswitch.model.machines import Guest
from farswitch.rollback.timer import MOST_HOLD_SECONDS
from farswitch.site.loader import ROOT, load_site
from tests.unit.guests.snapshot_looks import about as said_about
from tests.unit.guests.snapshot_looks import domain, xml_of
from tests.unit.guests.snapshot_looks import looks as looks_of
from tests.unit.guests.snapshot_looks import part as part_of
from workflows.snapshot import check_name

GUESTS = cluster(load_site(str(ROOT / "inventory/lab")), None).guests
NODES = tuple(guest.name for guest in GUESTS)


def about(save: str = "a", nodes: tuple[str, ...] = NODES, cluster: str = "lab") -> str:
    return said_about(nodes, save, cluster)


def part(guest: Guest, said: str | None = None, **more: Any) -> SnapshotState:
    return part_of(guest, about() if said is None else said, **more)


def looks() -> dict[str, GuestSnapshots]:
    return looks_of(GUESTS)


def refusal(found: dict[str, GuestSnapshots], *, cut_off: bool = False) -> str:
    (one,) = cluster_snapshots(found, "lab")
    assert one.cut_off == cut_off
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
    assert refusal(found, cut_off=True).startswith("node2 is not in it")


def test_parts_of_two_saves_are_no_whole():
    found = looks()
    found["node2"] = replace(found["node2"], parts=(part(GUESTS[1], about("b")),))
    assert "in different saves" in refusal(found, cut_off=True)


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
    (one,) = with_memory(GUESTS[:1], 512)
    assert hold_seconds([one]) == 30 + 10 + 10
    assert hold_seconds([one] * 10) == 30 + 100 + 102
    assert hold_seconds(with_memory(GUESTS[:1], 16_384)) == 30 + 10 + 327
    assert hold_seconds([one] * 900) == MOST_HOLD_SECONDS


def with_memory(guests: Sequence[Guest], size: int) -> list[Guest]:
    return [
        replace(guest, settings=guest.settings.model_copy(update={"memory": size}))
        for guest in guests
    ]


def test_the_scripts_name_every_guest():
    parts = {guest.name: part(guest) for guest in GUESTS}
    for script in (let_go(GUESTS, "one"), carry_on(GUESTS, parts, "/pool")):
        assert all(guest.domain in script for guest in GUESTS)
        assert "farswitch.one" in script


@pytest.mark.parametrize("name", ["", "-x", "a b", "a/b", "ä", "x" * 65, "a;b", ".."])
def test_a_name_with_other_characters_is_refused(name):
    with pytest.raises(ConfigError, match="cannot be the name of a snapshot"):
        check_name(name)

"""A cluster's record: read in the form of every release, refused when damaged or newer."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Network

import pytest

from farswitch.connections.shell.local import LocalShell
from farswitch.errors import ConfigError
from farswitch.lock.reserved import Reserved
from farswitch.model.cluster import cluster
from farswitch.site.loader import ROOT, load_site
from farswitch.state import record
from farswitch.state.document import NewerDocumentError
from farswitch.state.record import (
    GuestPlace,
    Record,
    RecordDamagedError,
    SwitchInUse,
    check_places,
    complete,
    parse,
    place_of,
    read_all,
    render,
)

CLUSTER = cluster(load_site(str(ROOT / "inventory/lab")), None)
RECORD = complete(None, CLUSTER)
VERSION_1 = b"""\
{
 "version": 1,
 "nodes": 2,
 "controller": {
  "private": "-----BEGIN OPENSSH PRIVATE KEY-----\\nc\\n",
  "public": "ssh-ed25519 AAAAc controller of lab"
 },
 "user": {
  "private": "-----BEGIN OPENSSH PRIVATE KEY-----\\nu\\n",
  "public": "ssh-ed25519 AAAAu mpi of lab"
 },
 "hosts": {
  "node1": {
   "private": "-----BEGIN OPENSSH PRIVATE KEY-----\\n1\\n",
   "public": "ssh-ed25519 AAAA1 node1 of lab"
  },
  "node2": {
   "private": "-----BEGIN OPENSSH PRIVATE KEY-----\\n2\\n",
   "public": "ssh-ed25519 AAAA2 node2 of lab"
  }
 },
 "site": 3,
 "places": {
  "node1": "VNI 41, 10.0.0.11/24, 10.10.0.11/24",
  "node2": "VNI 42, 10.0.0.12/24, 10.10.0.12/24"
 },
 "mtu": 1450,
 "claims": "41 42 10.0.0.0/24 10.10.0.0/24"
}
"""
"""As commit 9346752 wrote it, with other keys."""


def test_a_record_survives_its_file_and_keeps_keys_of_guests_that_stay():
    again = parse(render(RECORD), "here")
    assert again == RECORD
    smaller = complete(again, replace(CLUSTER, guests=CLUSTER.guests[:2]))
    assert smaller.nodes == 2
    assert set(smaller.hosts) == {"node1", "node2"}
    assert smaller.hosts["node1"] == RECORD.hosts["node1"]
    assert smaller.user == RECORD.user


@pytest.mark.parametrize(
    "changed",
    [
        {"vni_base": 51},
        {"data_network": IPv4Network("10.7.0.0/24")},
        {"management_network": IPv4Network("10.8.0.0/24")},
    ],
)
def test_a_built_guest_keeps_its_vni_and_addresses(changed: dict[str, object]):
    settings = CLUSTER.settings.model_copy(update=changed)
    moved = replace(
        CLUSTER, guests=tuple(replace(guest, settings=settings) for guest in CLUSTER.guests)
    )
    check_places(RECORD, CLUSTER)
    with pytest.raises(ConfigError, match="'node1' of cluster 'lab' was built with VNI 41"):
        check_places(RECORD, moved)


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b'{"version": 99}', b'{"version": 1}'])
def test_a_damaged_record_is_an_error_and_never_a_new_one(text: bytes):
    with pytest.raises(Exception, match="record here"):
        parse(text, "here")


def test_a_record_keeps_the_switch_in_use_until_a_build():
    used = SwitchInUse(name="mine", adapter={"program": {"command": ["mine", "{ports}"]}})
    kept = parse(render(RECORD.model_copy(update={"switch": used})), "here")
    assert kept.switch == used
    assert complete(kept, CLUSTER).switch is None


def test_a_record_of_version_2_is_read_and_nothing_is_to_be_changed():
    raw = json.loads(render(RECORD))
    del raw["switch"]
    assert parse(json.dumps(raw | {"version": 2}).encode(), "here") == RECORD


def test_a_record_shows_no_private_key():
    assert "PRIVATE" not in repr(RECORD)


def test_a_record_of_version_1_is_read_and_its_guests_stay():
    old = parse(VERSION_1, "here")
    assert (old.nodes, old.site, old.mtu) == (2, 3, 1450)
    assert old.places == {guest.name: place_of(guest) for guest in CLUSTER.guests[:2]}
    assert str(old.places["node2"]) == "VNI 42, 10.0.0.12/24, 10.10.0.12/24"
    assert old.reserved == Reserved(vnis=(41, 42), networks=("10.0.0.0/24", "10.10.0.0/24"))
    assert old.hosts["node1"].public == "ssh-ed25519 AAAA1 node1 of lab"
    check_places(old, CLUSTER)
    two = replace(CLUSTER, guests=CLUSTER.guests[:2])
    assert complete(old, two, site=3, mtu=1450) == old, "nothing is to be changed"
    assert json.loads(render(old))["version"] == 3
    assert parse(render(old), "here") == old


def test_a_record_from_before_places_and_claims_is_read():
    raw = json.loads(VERSION_1)
    del raw["places"], raw["claims"], raw["site"]
    old = parse(json.dumps(raw).encode(), "here")
    assert (old.site, old.places, old.reserved) == (0, {}, None)


@pytest.mark.parametrize("claims", ["41 42 10.1.0.0/99", "41", "41 42 ten"])
def test_claims_of_version_1_that_are_none_are_damage(claims: str):
    with pytest.raises(RecordDamagedError, match="'reserved"):
        parse(json.dumps(json.loads(VERSION_1) | {"claims": claims}).encode(), "here")


def test_damage_is_named_and_no_key_is_quoted():
    raw = json.loads(render(RECORD))
    raw["hosts"]["node1"] = {"private": "SECRET"}
    with pytest.raises(RecordDamagedError) as caught:
        parse(json.dumps(raw).encode(), "here")
    assert "'hosts.node1.public': Field required" in str(caught.value)
    assert "SECRET" not in str(caught.value)
    assert "SECRET" not in str(caught.value.__cause__)


def test_a_record_of_a_newer_release_is_refused_as_a_mistake_of_use():
    newer = json.dumps({"version": 4, "what": "nobody knows"}).encode()
    with pytest.raises(NewerDocumentError) as caught:
        parse(newer, "'/x.json' on server 's'")
    assert isinstance(caught.value, ConfigError)
    assert str(caught.value) == (
        "The record '/x.json' on server 's' has version 4; this release of farswitch reads up to 3."
    )
    assert "newer release" in caught.value.hint


def test_the_records_of_a_server_are_read_side_by_side_also_where_one_is_damaged(
    tmp_path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(record, "FOLDER", str(tmp_path))
    here = LocalShell("here")
    assert read_all(here) == {}
    (tmp_path / "lab.json").write_bytes(VERSION_1)
    (tmp_path / "bad.json").write_bytes(b"{")
    (tmp_path / "new.json").write_bytes(b'{"version": 9}')
    (tmp_path / "lab.json.farswitch.77").write_bytes(b"half")
    records = read_all(here)
    assert {name: type(one) for name, one in records.items()} == {
        "bad": RecordDamagedError,
        "lab": Record,
        "new": NewerDocumentError,
    }
    assert records["lab"].places["node1"] == GuestPlace(
        vni=41, data="10.0.0.11/24", management="10.10.0.11/24"
    )

"""What follows for a cluster from a switch whose ports are in another network namespace."""

from __future__ import annotations

from dataclasses import replace

import pytest

from farswitch.connections.netlink.links import Link
from farswitch.errors import ConfigError
from farswitch.links.plan import plan
from farswitch.links.wanted import wanted_hops, wanted_veths
from farswitch.model.cluster import Cluster, cluster
from farswitch.model.switch import parse_switch
from farswitch.site.loader import ROOT, load_site
from tasks.checks.path.counters import Count, CountedTransfers, Reading, Transfer
from tasks.checks.path.frames import switched_frames
from workflows.switch_use import refuse_apart

SITE = cluster(load_site(str(ROOT / "inventory/lab")), 2)


def of(container: object) -> Cluster:
    command = {"command": ["mine", "{ports}"], "container": container}
    return SITE.with_switch(parse_switch({"program": command}))


HERE, OWN, THERE = of(False), of(True), of(4711)


def test_the_far_end_is_nowhere_on_the_server():
    assert [one.port_namespace for one in (HERE, OWN, THERE)] == [
        "",
        "/run/netns/farswitch-lab",
        "/proc/4711/ns/net",
    ]
    first = OWN.guests[0]
    assert OWN.port_links(first) == {"fsv41": "fsn41", "fsp41": "fsn41"}
    assert list(OWN.way_to_switch(first).values()) == ["fsv41", "fsn41", "fsp41"]
    assert OWN.port_device(first) == "fsx41"
    names = {hop.name for hop in wanted_hops(OWN, OWN.switch)}
    assert "fsp41" in names
    assert "fsx41" not in names


def near(**more: object) -> Link:
    ends = wanted_veths(OWN, OWN.switch, mtu=1450)
    end, owner = ends[0], OWN.owner
    link = Link(
        7, end.name, "veth", mtu=1450, group=owner.link_group, alias=end.alias,
        altnames=(end.altname,), master=end.master, link_local=False, far=True,
    )  # fmt: skip
    return replace(link, **more)


@pytest.mark.parametrize(
    ("have", "changes"),
    [
        ([near()], []),
        ([near(mtu=1400)], ["~ veth fsp41 mtu 1400 -> 1450"]),
        ([], ["+ veth fsp41", "+ veth fsx41"]),
        ([near(far=False)], ["~ veth fsp41 made anew", "+ veth fsx41"]),
    ],
)
def test_a_pair_that_leads_there_is_as_wanted(have: list[Link], changes: list[str]):
    want = wanted_veths(OWN, OWN.switch, mtu=1450)[:2]
    found = plan(have, want, OWN.owner, kind="veth", server="server2")
    assert len(found) == len(changes)
    assert all(str(one).startswith(line) for one, line in zip(found, changes, strict=True))


def test_one_that_leads_elsewhere_is_made_anew_for_a_switch_on_the_server():
    want = wanted_veths(HERE, HERE.switch, mtu=1450)[:2]
    first, second = plan([near()], want, HERE.owner, kind="veth", server="server2")
    assert str(first) == "~ veth fsp41 made anew: other end elsewhere -> fsx41"
    assert str(second).startswith("+ veth fsx41")


def test_frames_are_counted_at_the_near_ends():
    first, second = OWN.guests
    ports = {"fsp41": Count(0, 0, 3, 100), "fsp42": Count(0, 0, 90, 7)}
    transfer = Transfer(first, second, 1000, Reading(ports, {}))
    rows = switched_frames(OWN, OWN.guests, CountedTransfers([transfer], Reading({}, {}), {}))
    assert (rows[0].taken, rows[0].given, rows[0].lost) == (100, 90, 10)


@pytest.mark.parametrize(("old", "new"), [(HERE, OWN), (OWN, THERE), (THERE, HERE)])
def test_two_on_the_same_ports_in_different_networks_are_refused(old: Cluster, new: Cluster):
    with pytest.raises(ConfigError, match="on plain ports, in different networks") as caught:
        refuse_apart(old, new)
    assert "switch use bridge" in caught.value.hint


@pytest.mark.parametrize(("old", "new"), [(SITE, OWN), (OWN, SITE), (OWN, OWN), (HERE, HERE)])
def test_others_are_not(old: Cluster, new: Cluster):
    refuse_apart(old, new)

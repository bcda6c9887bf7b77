"""What stands: guests and their ways, from looks at servers that are made up here."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from rich.console import Console

from farswitch.connections.libvirt.domains import State
from farswitch.connections.netlink.links import Link, Port, Traffic
from farswitch.errors import FarswitchError
from farswitch.links.underlay import Underlay
from farswitch.model.cluster import Cluster, GuestEntry, Site, cluster
from farswitch.model.machines import Server
from farswitch.model.settings import Settings
from farswitch.run.print_status import WIDE, document, guests_table, hops_table, rates
from farswitch.status.guests import guest_statuses
from farswitch.status.observed import DomainProcess, ServerLook, domain_processes
from farswitch.status.path import hops
from tests.schemas import assert_fits

HEAD = Server("server1", "hypervisor", "server1", IPv4Address("203.0.113.1"))
FAR = Server("server2", "switch", "server2", IPv4Address("203.0.113.2"))
SETTINGS = Settings(cluster="lab", vni_base=41)
GUESTS = tuple(GuestEntry(f"node{number}", "server1") for number in (1, 2, 3))
SITE = Site("lab", Path("lab"), SETTINGS, (HEAD,), FAR, GUESTS)
WANTED: Cluster = cluster(SITE)
SENT = Traffic(received=1000, received_packets=10, sent=500, sent_packets=5, dropped=1)


def underlay(server: Server) -> Underlay:
    return Underlay(server.name, "eth1", server.underlay, 1500, 50)


def link(name: str, master: str | None = None, **more: object) -> Link:
    return replace(Link(1, name, mtu=1450, master=master, port=Port(), traffic=SENT), **more)


def looks() -> dict[str, ServerLook]:
    ports = tuple(link(guest.tunnel, WANTED.switch_bridge) for guest in WANTED.guests)
    own = tuple(
        link(name, guest.bridge)
        for guest in WANTED.guests
        for name in (guest.data_tap, guest.tunnel, guest.bridge)
    )
    states: dict[str, State] = {guest.domain: "running" for guest in WANTED.guests}
    processes = {guest.domain: DomainProcess(61, 12.5, 300 << 20) for guest in WANTED.guests}
    wire = link("eth1", traffic=replace(SENT, received=9000))
    return {
        "server1": ServerLook(underlay(HEAD), (*own, wire), 10.0, states, processes),
        "server2": ServerLook(
            underlay(FAR), (*ports, link(WANTED.switch_bridge), link("eth1")), 10.0
        ),
    }


def with_port(port: Link | None) -> dict[str, ServerLook]:
    """Return the looks, with another port of the first guest's on the switch, or without it."""
    found = looks()
    far = found["server2"]
    others = tuple(one for one in far.links if one.name != WANTED.guests[0].tunnel)
    return found | {"server2": replace(far, links=(*others, *([port] if port else [])))}


def test_a_guest_that_runs_and_is_plugged_in_is_fine():
    for guest, status in zip(WANTED.guests, guest_statuses(WANTED, looks()), strict=True):
        assert status.ok
        assert (status.name, status.vni, status.mtu) == (guest.name, guest.vni, 1450)
        assert (status.state, status.port) == ("running", "up")
        assert (status.uptime, status.processor, status.memory) == (61, 12.5, 300 << 20)
        assert status.traffic == SENT


@pytest.mark.parametrize(
    ("port", "word"),
    [
        (None, "missing"),
        (link("fsv41", "br0"), "in br0"),
        (link("fsv41"), "in no bridge"),
        (link("fsv41", "fss41", up=False), "down"),
        (link("fsv41", "fss41", running=False), "down"),
        (link("fsv41", "fss41", port=Port(forwarding=False)), "down"),
    ],
)
def test_a_port_that_carries_nothing_is_named(port, word):
    first, *others = guest_statuses(WANTED, with_port(port))
    assert (first.port, first.ok) == (word, False)
    assert all(other.ok for other in others)


def test_domains_that_are_off_or_gone_are_named():
    found = looks()
    first, second, third = (guest.domain for guest in WANTED.guests)
    head = found["server1"]
    known: dict[str, State] = {first: "shut off", third: "running"}
    head = replace(head, states=known, processes={third: head.processes[third]})
    states = guest_statuses(WANTED, found | {"server1": head})
    assert [status.state for status in states] == ["shut off", "missing", "running"]
    assert [status.ok for status in states] == [False, False, True]
    assert states[0].memory is states[1].uptime is None
    assert second not in known


def test_the_processes_of_domains_are_read_whatever_these_are_called():
    found = domain_processes("lab-node1 61 12500 4096\nmy own one 0 10 8192\n")
    assert found == {
        "lab-node1": DomainProcess(61, 12.5, 4096),
        "my own one": DomainProcess(0, 0.01, 8192),
    }


@pytest.mark.parametrize("lost", ["server1", "server2"])
def test_what_a_lost_server_would_say_is_unknown(lost):
    found = looks()
    del found[lost]
    status = guest_statuses(WANTED, found)[0]
    unknown = {"server1": status.state, "server2": status.port}
    assert [server for server, word in unknown.items() if word == "unknown"] == [lost]
    assert not status.ok
    way = hops(WANTED, WANTED.guests[0], found)
    assert {hop.server for hop in way if hop.state == "unknown"} == {lost}


def test_a_server_whose_underlay_is_another_is_seen_all_the_same():
    found = looks()
    moved = replace(found["server1"], underlay=FarswitchError("The address is on no interface."))
    found |= {"server1": moved}
    assert all(status.ok for status in guest_statuses(WANTED, found))
    states = {(hop.server, hop.what): hop.state for hop in hops(WANTED, WANTED.guests[0], found)}
    assert [hop for hop, state in states.items() if state != "up"] == [("server1", "underlay")]


def test_a_way_is_from_the_guest_to_the_switch_and_counts_from_its_side():
    way = tuple(hops(WANTED, WANTED.guests[1], looks()))
    assert [(hop.server, hop.what, hop.name) for hop in way] == [
        ("server1", "tap", "fsd42"),
        ("server1", "bridge", "fsb42"),
        ("server1", "tunnel", "fsv42"),
        ("server1", "underlay", "eth1"),
        ("server2", "underlay", "eth1"),
        ("server2", "port", "fsv42"),
        ("server2", "switch", "fss41"),
    ]
    counted = {(hop.server, hop.what): hop.traffic for hop in way}
    assert counted["server1", "tap"] == counted["server2", "port"] == SENT
    assert counted["server1", "tunnel"] == Traffic(500, 5, 1000, 10, 1), "it sends what they send"
    assert counted["server1", "bridge"] is counted["server2", "switch"] is None
    assert [hop.what for hop in way if hop.shared] == ["underlay", "underlay"]


def test_rates_are_bits_and_packets_a_second():
    before = guest_statuses(WANTED, looks())[0]
    now = replace(before, traffic=Traffic(3000, 20, 1500, 25), at=12.0)
    assert rates(now, before) == {
        "received": 8000.0, "received_packets": 5.0, "sent": 4000.0, "sent_packets": 10.0,
    }  # fmt: skip
    assert document(now, before)["rates"] == rates(now, before)


def test_an_interface_that_was_made_anew_has_no_rate():
    before = guest_statuses(WANTED, looks())[0]
    assert rates(replace(before, traffic=Traffic(5, 1, 5, 1), at=12.0), before) == {}
    assert rates(before, None) == {}
    assert rates(before, before) == {}
    assert "rates" not in document(before)


def test_documents_are_json():
    for one in (*guest_statuses(WANTED, looks()), *hops(WANTED, WANTED.guests[0], looks())):
        told = json.loads(json.dumps(document(one)))
        assert told["name"]
        assert "at" not in told, "a clock of this process means nothing to others"


def rendered(table: object, width: int) -> list[str]:
    console = Console(width=width, force_terminal=False, highlight=False)
    with console.capture() as caught:
        console.print(table)
    return [line for line in caught.get().splitlines() if line.strip()]


@pytest.mark.parametrize("width", [80, WIDE, 140])
def test_a_row_is_one_line_and_addresses_come_where_there_is_room(width):
    lines = rendered(guests_table(guest_statuses(WANTED, looks()), {}, width=width), width)
    title, _, *rows = lines
    assert [row.split()[:3] for row in rows] == [[f"node{n}", "running", "up"] for n in (1, 2, 3)]
    assert ("Management" in title) is (width >= WIDE)
    assert all("0:01:01" in row and "1.0 kB" in row and "314.6 MB" in row for row in rows)


@pytest.mark.parametrize("width", [80, 140])
def test_a_hop_is_one_line(width):
    way = tuple(hops(WANTED, WANTED.guests[0], looks()))
    lines = rendered(hops_table(way, {}), width)
    assert len(lines) == 2 + len(way)
    later = [
        replace(
            hop,
            traffic=None if hop.traffic is None else replace(hop.traffic, received=2_001_000),
            at=12.0,
        )
        for hop in way
    ]
    before = {f"{hop.server} {hop.name}": hop for hop in way}
    assert "8.0 Mbit/s" in rendered(hops_table(later, before), width)[2]


@pytest.mark.parametrize("lost", ["", "server1", "server2"])
def test_what_is_watched_fits_its_schema(lost):
    now, before = looks(), looks()
    now.pop(lost, None)
    now = {name: replace(look, at=look.at + 1) for name, look in now.items()}
    line = {"cluster": "lab", "at": 1.5, "failures": []}
    earlier = {one.name: one for one in guest_statuses(WANTED, before)}
    guests = [document(one, earlier[one.name]) for one in guest_statuses(WANTED, now)]
    assert ("rates" in guests[0]) == (lost != "server2")
    assert_fits("status-watch", line | {"guests": json.loads(json.dumps(guests))})
    way = [document(hop, hop) for hop in hops(WANTED, WANTED.guests[0], now)]
    assert_fits("status-watch", line | {"guest": "node1", "hops": json.loads(json.dumps(way))})

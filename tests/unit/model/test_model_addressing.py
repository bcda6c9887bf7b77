"""Everything that follows from a guest's place in the site, for any base and any size."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import IPv4Network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farswitch.errors import ConfigError
from farswitch.model.cluster import Cluster, Site, cluster, most_guests
from farswitch.model.settings import PORTS_PER_BRIDGE, VNI_MAX, Settings
from farswitch.site.loader import load_site

IFNAMSIZ = 16  # linux/if.h, with the closing zero
SITE = load_site("inventory/lab")


@st.composite
def sites(draw) -> Site:
    prefix, other = draw(st.integers(16, 28)), draw(st.integers(16, 28))
    chosen = Settings(
        cluster="lab",
        vni_base=draw(st.one_of(st.integers(1, VNI_MAX), st.integers(VNI_MAX - 50, VNI_MAX))),
        data_network=IPv4Network((draw(st.integers(0, 255)) << 16 | 10 << 24, prefix)),
        management_network=IPv4Network((draw(st.integers(16, 31)) << 16 | 172 << 24, other)),
    )
    return replace(SITE, settings=chosen, guests=SITE.guests[:1])


@st.composite
def clusters(draw) -> Cluster:
    site = draw(sites())
    most, _ = most_guests(site.settings)
    return cluster(site, draw(st.integers(1, most)))


def unique(values) -> bool:
    found = list(values)
    return len(set(found)) == len(found)


@settings(max_examples=40, deadline=None)
@given(clusters())
def test_names_and_numbers_of_guests_are_unique(made):
    guests = made.guests
    assert unique(guest.name for guest in guests)
    assert unique(guest.vni for guest in guests)
    assert unique(mac for guest in guests for mac in (guest.data_mac, guest.management_mac))
    assert unique(guest.data_address for guest in guests)
    assert unique(guest.management_address for guest in guests)
    assert unique(guest.domain for guest in guests)


@settings(max_examples=40, deadline=None)
@given(clusters())
def test_vnis_have_24_bits_and_addresses_lie_in_their_networks(made):
    for guest in made.guests:
        assert 1 <= guest.vni <= VNI_MAX
        for address, network in (
            (guest.data_address, made.settings.data_network),
            (guest.management_address, made.settings.management_network),
        ):
            assert address.network == network
            assert network[10] < address.ip < network.broadcast_address
        assert guest.management_address != made.management_gateway


@settings(max_examples=40, deadline=None)
@given(clusters())
def test_interface_names_are_unique_and_fit(made):
    names = [made.switch_bridge, made.management_bridge]
    for guest in made.guests:
        names += [guest.bridge, guest.tunnel, guest.data_tap, guest.management_tap]
    assert unique(names)
    assert all(len(name) < IFNAMSIZ for name in names)


@settings(max_examples=20, deadline=None)
@given(clusters())
def test_macs_are_unicast_and_locally_administered(made):
    for guest in made.guests:
        for mac in (guest.data_mac, guest.management_mac):
            assert re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", mac)
            assert int(mac[:2], 16) & 0b11 == 0b10


@settings(max_examples=40, deadline=None)
@given(sites(), st.data())
def test_another_size_leaves_the_guests_of_both_as_they_are(site, data):
    most, _ = most_guests(site.settings)
    one, other = data.draw(st.integers(1, most)), data.draw(st.integers(1, most))
    small, large = sorted((one, other))
    assert cluster(site, large).guests[:small] == cluster(site, small).guests


@settings(max_examples=40, deadline=None)
@given(sites())
def test_one_guest_more_than_there_is_room_for_is_refused(site):
    most, why = most_guests(site.settings)
    assert 1 <= most <= PORTS_PER_BRIDGE
    with pytest.raises(ConfigError, match=f"wanted a number from 1 to {most}: {re.escape(why)}"):
        cluster(site, most + 1)


@pytest.mark.parametrize("nodes", [0, -1])
def test_no_guests_are_refused(nodes):
    with pytest.raises(ConfigError, match=f"is {nodes}, wanted a number from 1 to 244.$"):
        cluster(SITE, nodes)


def test_new_guests_run_where_the_last_one_does():
    last = replace(SITE.guests[-1], hypervisor="server3")
    site = replace(SITE, guests=(*SITE.guests[:-1], last))
    homes = [guest.hypervisor for guest in cluster(site, 5).guests]
    assert homes == ["server1", "server1", "server3", "server3", "server3"]


def test_the_first_guest_is_what_the_documents_say():
    head = cluster(SITE).head
    assert (head.name, head.vni, str(head.data_address)) == ("node1", 41, "10.0.0.11/24")
    assert (head.data_mac, head.management_mac) == ("02:fa:00:00:00:29", "02:fa:01:00:00:29")
    assert (head.bridge, head.tunnel, head.domain) == ("fsb41", "fsv41", "lab-node1")

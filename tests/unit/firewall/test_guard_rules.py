"""The guard's text: what each server's names and what it never does."""

import re
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from farswitch.firewall import nft
from farswitch.firewall.guard_wanted import guard_tables, tunnel_peers, wanted_guard
from farswitch.model.cluster import Cluster, cluster
from farswitch.model.machines import Guest, Server
from farswitch.model.settings import Settings
from farswitch.site.loader import ROOT, load_site


def cluster_of(*, guests=2, v6=False) -> Cluster:
    addresses = ("2001:db8::1", "2001:db8::2") if v6 else ("198.51.100.1", "198.51.100.2")
    near, far = map(ip_address, addresses)
    settings = Settings(cluster="a-b", udp_port=4790)
    nodes = tuple(Guest(f"n{at}", at, "one", settings) for at in range(1, guests + 1))
    one, two = Server("one", "hypervisor", "h", near), Server("two", "switch", "h", far)
    return Cluster(settings, (one,), two, nodes)


def render(cluster: Cluster, server: Server, device: str) -> dict[str, str]:
    return guard_tables(wanted_guard(cluster, server, device), cluster.owner)


def test_every_rule_carries_the_mark():
    cluster = cluster_of()
    for server in cluster.servers:
        for text in render(cluster, server, "eth0").values():
            rules = [line for line in text.splitlines() if line.startswith("  ")]
            rules = [line for line in rules if not line.startswith("  type ")]
            assert rules
            assert all(line.endswith('comment "farswitch:a-b"') for line in rules)


def test_table_is_named_without_dashes():
    cluster = cluster_of()
    assert "table inet farswitch_a_b {" in render(cluster, cluster.switch, "eth0")["inet"]


@pytest.mark.parametrize(("v6", "side"), [(False, "ip saddr"), (True, "ip6 saddr")])
def test_a_far_end_is_named_by_device_and_address_and_a_tunnel_by_its_vni(v6, side):
    cluster = cluster_of(v6=v6)
    one = cluster.server("one")
    text = render(cluster, one, "eth0")["inet"]
    (peer,) = tunnel_peers(cluster, one)
    near = f'iifname "eth0" {side} {{ {peer} }} udp dport 4790 accept'
    assert near in text
    assert text.index(near) < text.index("udp dport 4790 @th,96,24 { 41, 42 } drop")


@pytest.mark.parametrize("v6", [False, True])
def test_fragments_of_tunnels_are_dropped_where_the_kernel_joins_them_later(v6):
    cluster = cluster_of(v6=v6)
    drop = "exthdr frag exists udp dport 4790 "
    text = render(cluster, cluster.switch, "eth0")["inet"]
    assert (f'accept comment "farswitch:a-b"\n  {drop}drop ' in text) == v6
    forward = render(cluster, cluster.server("one"), "eth0")["inet"].partition("chain forward")[2]
    assert (f"  {drop}ip6 daddr {{ 2001:db8::1, 2001:db8::2 }} drop " in forward) == v6


def test_switch_has_no_bridge_table_and_hypervisor_without_guests_neither():
    assert set(render(cluster_of(), cluster_of().switch, "e")) == {"inet"}
    lonely = cluster_of(guests=2)
    other = Server("three", "hypervisor", "h", ip_address("198.51.100.3"))
    text = render(lonely, other, "e")
    assert set(text) == {"inet"}
    assert "{  }" not in text["inet"]


def test_a_name_is_looked_up_only_where_it_starts_as_one_that_is_looked_for():
    cluster = cluster_of(guests=12)
    one = render(cluster, cluster.server("one"), "eth0")
    assert '  oifname "fs*" oifname { "fsb41", ' in one["inet"]
    assert '  iifname != "fsm*" accept ' in one["bridge"]
    assert '  iifname "fsm*" iifname { "fsm41", ' in one["bridge"]


def test_names_without_a_common_start_are_all_looked_up():
    cluster = cluster_of()
    want = wanted_guard(cluster, cluster.server("one"), "eth0")
    assert want.management
    nics = (replace(want.management.nics[0], tap="tap0"), replace(want.management.nics[1], tap="m"))
    want = replace(want, management=replace(want.management, nics=nics), ports=("tap0",))
    text = "".join(guard_tables(want, cluster.owner).values())
    assert "*" not in text
    assert '  oifname { "fsb41", "fsb42", "tap0" } drop ' in text
    assert '  iifname { "tap0", "m" } oifname { "tap0", "m" } drop ' in text


@pytest.mark.parametrize("anti_spoof", [False, True])
def test_senders_on_the_data_network_are_pinned_only_where_the_site_wants_it(anti_spoof):
    cluster = cluster_of()
    cluster = replace(
        cluster, settings=cluster.settings.model_copy(update={"anti_spoof": anti_spoof})
    )
    text = render(cluster, cluster.server("one"), "eth0")["bridge"]
    for guest in cluster.guests:
        assert f'"{guest.management_tap}" . {guest.management_mac} . ' in text
        pinned = f'"{guest.data_tap}" . {guest.data_mac} . {guest.data_address.ip}'
        assert (pinned in text) == anti_spoof
    assert ("fsd41" in text) == anti_spoof
    forward = text.partition("chain forward")[2]
    assert "fsd" not in forward, "guests talk to each other on the data network"


def test_canonical_form_ignores_numbers_counts_and_the_order_of_sets():
    def listed(handle, elements):
        left = {"meta": {"key": "iifname"}}
        match = {"match": {"op": "==", "left": left, "right": {"set": elements}}}
        counter = {"counter": {"packets": handle, "bytes": 0}}
        return [{"rule": {"handle": handle, "expr": [match, counter]}}]

    assert nft.canonical(listed(1, ["a", "b"])) == nft.canonical(listed(2, ["b", "a"]))
    assert nft.canonical(listed(1, ["a", "b"])) != nft.canonical(listed(1, ["a", "c"]))


BEFORE = Path(__file__).with_name("guard_before")
"""The lab's guard, as a cluster that stands has it: what changes here, the next build replaces."""


def in_one_order(text: str) -> str:
    """Return rules with the elements of each set in one order, which nft does not keep."""

    def ordered(found: re.Match[str]) -> str:
        return f"{{ {', '.join(sorted(found[1].split(', ')))} }}"

    return re.sub(r"\{ ([^{}\n]*) \}", ordered, text)


def test_the_rules_are_those_that_a_standing_cluster_has():
    lab = cluster(load_site(str(ROOT / "inventory/lab")), None)
    now = {
        f"{server.name}_{family}.nft": in_one_order(text)
        for server in lab.servers
        for family, text in render(lab, server, "eth1").items()
    }
    assert now == {path.name: in_one_order(path.read_text()) for path in BEFORE.iterdir()}

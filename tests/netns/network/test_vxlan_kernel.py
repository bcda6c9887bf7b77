"""Tunnels on a real kernel: read back with iproute2, and with frames between two guests."""

from __future__ import annotations

from dataclasses import replace

import pytest

from farswitch.connections.netlink import edit_links
from farswitch.connections.netlink.links import dump
from farswitch.deadline import Deadline, wait_until
from farswitch.errors import FarswitchError, ForeignObjectError
from tasks.bridge import bridge
from tasks.links_remove import links_remove
from tasks.vxlan import vxlan

pytestmark = pytest.mark.root
MTU = 1450
TASKS = (bridge, vxlan)


@pytest.fixture(params=[False, True], ids=["IPv4", "IPv6"])
def wired(request, two_servers, echo):
    """Two servers with tunnels of two guests, and the guests' namespaces, reaching each other."""
    lab = two_servers(guests=2, v6=request.param)
    mtu = 1430 if request.param else MTU
    lab.build(TASKS, mtu=mtu)
    # The guests themselves could send more: what stops a frame is on the servers.
    first, _ = (lab.plug(guest, mtu=1500) for guest in lab.cluster.guests)
    target = str(lab.cluster.guests[1].data_address.ip)
    wait_until(lambda: echo(first, target), Deadline(10), what="The first echo")
    return lab, mtu, lambda **options: echo(first, target, **options)


def test_both_ends_of_every_tunnel_are_as_wanted(two_servers):
    lab = two_servers(guests=2)
    lab.build(TASKS, mtu=MTU)
    ends = {"server1": "198.51.100.11", "server2": "198.51.100.12"}
    for server, far in (("server1", "server2"), ("server2", "server1")):
        for guest in lab.cluster.guests:
            link = lab.link(server, guest.tunnel)
            data = link["linkinfo"]["info_data"]
            assert (data["id"], data["port"], data["link"]) == (guest.vni, 4789, "u0")
            assert (data["local"], data["remote"]) == (ends[server], ends[far])
            assert (data["learning"], data["udp_csum"]) == (False, True)
            assert link["group"] == str(lab.cluster.owner.link_group)
            assert link["ifalias"] == f"farswitch:t:{guest.name}"
            assert link["altnames"] == [f"farswitch-t-{guest.name}-tunnel"]
            assert link["master"] == (guest.bridge if server == "server1" else "fss41")
            assert (link["mtu"], "UP" in link["flags"]) == (MTU, True)
            assert lab.ip(server, "addr", "show", "dev", guest.tunnel)[0]["addr_info"] == []


def test_frames_cross_the_switch_and_nothing_else(wired):
    lab, _, reaches = wired
    lab.ip("server2", "link", "set", "fss41", "down")
    assert not reaches()
    lab.ip("server2", "link", "set", "fss41", "up")
    wait_until(reaches, Deadline(10), what="An echo over the switch that is up again")


def test_the_exact_mtu_passes_and_one_byte_more_does_not(wired):
    _, mtu, reaches = wired
    assert reaches(size=mtu)
    assert not reaches(size=mtu + 1)
    assert reaches(size=mtu)


def test_a_server_answers_no_arp_on_the_data_network(two_servers, echo):
    lab = two_servers(guests=1)
    lab.build(TASKS, mtu=MTU)
    guest, server = lab.plug(lab.cluster.guests[0], mtu=MTU), str(lab.cluster.servers[0].underlay)

    def neighbour():
        lab.ip_of(guest, "route", "replace", server, "dev", "data0")
        lab.ip_of(guest, "neigh", "flush", "dev", "data0")
        echo(guest, server)
        return [one.get("lladdr") for one in lab.ip_of(guest, "neigh", "show", server)]

    assert neighbour() == [None]
    lab.ip("server1", "link", "set", "fsb41", "arp", "on")
    assert neighbour() == [lab.link("server1", "fsb41")["address"]]


def test_second_run_changes_nothing_and_asks_the_kernel_for_no_change(two_servers, watch):
    lab = two_servers(guests=3)
    lab.build(TASKS, mtu=MTU)
    lab.settle("server2", "fss41")
    with watch(lab.namespaces["server2"]) as seen:
        assert lab.build(TASKS, mtu=MTU) == 0
        lines = seen()
    assert lines == []


def test_dry_run_reports_and_does_not_touch(two_servers):
    lab = two_servers(guests=1)
    before = lab.ip("server2", "link")
    planned = lab.run("server2", vxlan, mtu=MTU, device="u0", dry_run=True)
    assert (planned.count, planned.diff) == (1, "+ vxlan fsv41 (farswitch:t:node1) mtu 1450")
    assert lab.ip("server2", "link") == before


def test_a_tunnel_to_another_peer_is_replaced(two_servers):
    lab = two_servers(guests=2)
    lab.build(TASKS, mtu=MTU)
    kept = lab.link("server1", "fsv42")["ifindex"]
    group = str(lab.cluster.owner.link_group)
    lab.ip("server1", "link", "del", "fsv41")
    lab.ip(
        "server1", "link", "add", "fsv41", "group", group, "type", "vxlan", "id", "41",
        "remote", "198.51.100.99", "local", "198.51.100.11", "dstport", "4789", "dev", "u0",
    )  # fmt: skip
    changed = lab.run("server1", vxlan, mtu=MTU, device="u0")
    assert changed.diff == (
        "~ vxlan fsv41 made anew: remote 198.51.100.99 -> 198.51.100.12, learning True -> False"
    )
    assert lab.link("server1", "fsv41")["linkinfo"]["info_data"]["remote"] == "198.51.100.12"
    assert lab.link("server1", "fsv42")["ifindex"] == kept


def test_a_port_that_left_its_bridge_comes_back(two_servers):
    lab = two_servers(guests=1)
    lab.build(TASKS, mtu=MTU)
    index = lab.link("server2", "fsv41")["ifindex"]
    lab.ip("server2", "link", "set", "fsv41", "nomaster")
    assert lab.build(TASKS, mtu=MTU) == 1
    link = lab.link("server2", "fsv41")
    assert (link["master"], link["ifindex"]) == ("fss41", index)


def test_ports_of_guests_that_nobody_wants_are_removed(two_servers):
    lab = two_servers(guests=4)
    lab.build(TASKS, mtu=MTU)
    kept = [lab.link("server2", name)["ifindex"] for name in ("fsv41", "fsv42")]
    smaller = replace(lab.cluster, guests=lab.cluster.guests[:2])
    changes = lab.build(TASKS, mtu=MTU, cluster=smaller)
    assert changes == 2 + 2 + 2
    assert lab.links("server2") == ["fss41", "fsv41", "fsv42", "lo", "u0"]
    assert [lab.link("server2", name)["ifindex"] for name in ("fsv41", "fsv42")] == kept


def test_guests_that_change_places_take_their_names_along(two_servers):
    lab = two_servers(guests=2)
    lab.build(TASKS, mtu=MTU)
    one, two = lab.cluster.guests
    swapped = replace(lab.cluster, guests=(replace(one, name="node2"), replace(two, name="node1")))
    lab.build(TASKS, mtu=MTU, cluster=swapped)
    assert lab.link("server1", "fsv41")["altnames"] == ["farswitch-t-node2-tunnel"]
    assert lab.link("server1", "fsb42")["altnames"] == ["farswitch-t-node1-bridge"]
    assert lab.build(TASKS, mtu=MTU, cluster=swapped) == 0


def test_somebody_elses_tunnel_with_our_vni_is_refused(two_servers):
    lab = two_servers(guests=2)
    lab.run("server2", bridge, mtu=MTU)
    lab.ip(
        "server2", "link", "add", "theirs", "type", "vxlan", "id", "42",
        "remote", "198.51.100.99", "dstport", "4789", "dev", "u0",
    )  # fmt: skip
    before = lab.ip("server2", "link")
    with pytest.raises(ForeignObjectError, match=r"VNI 42 on UDP port 4789.*'theirs'"):
        lab.run("server2", vxlan, mtu=MTU, device="u0")
    assert lab.ip("server2", "link") == before


def test_a_tunnel_without_its_bridge_says_what_is_missing(two_servers):
    lab = two_servers(guests=1)
    with pytest.raises(FarswitchError, match="'fsv41' needs 'fss41'"):
        lab.run("server2", vxlan, mtu=MTU, device="u0")


def test_an_mtu_above_the_underlay_is_refused_by_the_kernel(two_servers):
    lab = two_servers(guests=1)
    lab.build(TASKS, mtu=MTU)
    with pytest.raises(edit_links.LinkError, match="'fsv41' cannot be given MTU 1451"):
        lab.run("server1", vxlan, mtu=MTU + 1, device="u0")


def test_removal_leaves_the_servers_as_before(two_servers):
    lab = two_servers(guests=2)
    lab.ip("server2", "link", "add", "theirs", "type", "bridge")
    before = [lab.ip(name, "link") + lab.ip(name, "addr") for name in lab.namespaces]
    lab.build(TASKS, mtu=MTU)
    lab.run("server1", vxlan, mtu=MTU, device="u0", present=False)
    lab.run("server1", bridge, mtu=MTU, present=False)
    assert lab.run("server2", links_remove).count == 3
    assert [lab.ip(name, "link") + lab.ip(name, "addr") for name in lab.namespaces] == before
    assert lab.run("server2", links_remove).count == 0


def test_two_hundred_guests_go_in_one_request(two_servers, monkeypatch):
    lab = two_servers(guests=200)
    before = lab.ip("server1", "link")
    lab.run("server1", bridge, mtu=MTU)
    lab.run("server1", vxlan, mtu=MTU, device="u0")
    assert len(lab.links("server1")) == len(before) + 401
    requests = []
    delete_group, set_group = edit_links.delete_group, edit_links.set_group

    def deleting(ipr, group):
        requests.append(("delete", group))
        delete_group(ipr, group)

    def setting(ipr, name, group):
        requests.append(("set", name))
        set_group(ipr, name, group)

    monkeypatch.setattr(edit_links, "delete_group", deleting)
    monkeypatch.setattr(edit_links, "set_group", setting)
    assert lab.run("server1", links_remove).count == 401
    assert requests == [("delete", lab.cluster.owner.link_group)]
    assert lab.ip("server1", "link") == before


def test_all_of_it_works_through_the_relay_of_a_remote_server(two_servers):
    lab = two_servers(guests=2)
    lab.remote = True
    assert lab.build(TASKS, mtu=MTU) == 3 + 2 + 1 + 2
    assert lab.links("server2") == ["fss41", "fsv41", "fsv42", "lo", "u0"]
    assert lab.build(TASKS, mtu=MTU) == 0
    assert lab.run("server2", links_remove).count == 3
    assert lab.links("server2") == ["lo", "u0"]


def test_two_clusters_that_delete_at_the_same_time_do_not_meet(two_servers, monkeypatch):
    """One is through between the other's two requests: neither takes what is not its own."""
    lab = two_servers(guests=1)
    for name in ("one", "two"):
        lab.ip("server1", "link", "add", name, "type", "bridge")
    delete_group = edit_links.delete_group
    with lab.endpoint("server1").session() as ipr:
        have = {link.name: link for link in dump(ipr)}

        def deleting(ipr, group):
            monkeypatch.setattr(edit_links, "delete_group", delete_group)
            edit_links.delete(ipr, [have["two"]], list(have.values()))
            assert "one" in lab.links("server1")
            delete_group(ipr, group)

        monkeypatch.setattr(edit_links, "delete_group", deleting)
        edit_links.delete(ipr, [have["one"]], list(have.values()))
    assert not {"one", "two"} & set(lab.links("server1"))

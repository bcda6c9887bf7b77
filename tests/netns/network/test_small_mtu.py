"""A data network whose MTU is too small for IPv6, on a real kernel."""

from __future__ import annotations

import subprocess

import pytest

from farswitch.connections.netlink import edit_links
from farswitch.errors import ConfigError
from farswitch.links.mtu import derive
from tasks.bridge import bridge
from tasks.mtu import mtu
from tasks.vxlan import vxlan

pytestmark = pytest.mark.root
TASKS = (bridge, vxlan)
OURS = {"server1": ("fsb41", "fsv41"), "server2": ("fss41", "fsv41")}


def ours(lab):
    return [(server, name) for server, names in OURS.items() for name in names]


def is_mute(lab):
    """No interface of ours has an IPv6 address, or would make one."""
    return not any(
        lab.ip(server, "-6", "addr", "show", "dev", name)
        or lab.link(server, name).get("inet6_addr_gen_mode", "none") != "none"
        for server, name in ours(lab)
    )


def converged(lab, size):
    counts = [lab.build(TASKS, mtu=size)]
    counts += [lab.run(server, mtu, mtu=size).count for server in OURS]
    return sum(counts)


@pytest.mark.parametrize("size", [576, 1200, 1279, 1280, 1337])
def test_a_build_takes_every_mtu_and_a_second_one_finds_nothing_to_do(two_servers, echo, size):
    lab = two_servers(guests=2)
    assert converged(lab, size)
    assert converged(lab, size) == 0
    assert {lab.link(server, name)["mtu"] for server, name in ours(lab)} == {size}
    assert is_mute(lab)
    spaces = [lab.plug(guest, mtu=size) for guest in lab.cluster.guests]
    lab.settle("server1", "fsd41", "fsd42")
    far = str(lab.cluster.guests[1].data_address.ip)
    assert echo(spaces[0], far, size=size, timeout=5)


@pytest.mark.parametrize("setting", ["all", "default"])
def test_servers_without_ipv6_on_any_interface_take_it_too(two_servers, setting):
    lab = two_servers(guests=1)
    for space in lab.namespaces.values():
        argv = [
            "ip",
            "netns",
            "exec",
            space,
            "tee",
            f"/proc/sys/net/ipv6/conf/{setting}/disable_ipv6",
        ]
        subprocess.run(argv, input=b"1", stdout=subprocess.DEVNULL, check=True)
    assert converged(lab, 1200)
    assert converged(lab, 1200) == 0
    assert converged(lab, 1400)
    assert converged(lab, 1400) == 0
    assert is_mute(lab)


@pytest.mark.parametrize("task", [bridge, mtu])
def test_an_mtu_that_grows_past_what_ipv6_needs_brings_no_address(two_servers, watch, task):
    lab = two_servers(guests=1)
    converged(lab, 1200)
    with watch(lab.namespaces["server1"]) as seen:
        if task is bridge:
            lab.build(TASKS, mtu=1450)
        for server in OURS:
            lab.run(server, mtu, mtu=1450)
        assert not any("inet6" in line for line in seen())
    assert is_mute(lab)
    assert all("UP" in lab.link(server, name)["flags"] for server, name in ours(lab))
    assert converged(lab, 1450) == 0


def test_an_mtu_that_somebody_lowered_is_raised_again_without_an_address(two_servers):
    lab = two_servers(guests=1)
    converged(lab, 1450)
    for server, name in ours(lab):
        lab.ip(server, "link", "set", name, "mtu", "1000")
    assert converged(lab, 1450) == 4
    assert is_mute(lab)


def test_one_that_is_refused_leaves_the_interface_up(two_servers):
    lab = two_servers(guests=1)
    converged(lab, 1200)
    with (
        lab.endpoint("server1").session() as ipr,
        pytest.raises(edit_links.LinkError, match="MTU 1451"),
    ):
        edit_links.set_mtu_quietly(ipr, "fsv41", 1451, 1200)
    assert "UP" in lab.link("server1", "fsv41")["flags"]


def test_the_smallest_underlay_of_ipv6_carries_a_network_without_ipv6(two_servers):
    lab = two_servers(guests=1, v6=True, mtu=1280)
    assert derive(None, [lab.underlay(name) for name in lab.namespaces]) == 1210
    assert converged(lab, 1210)
    assert converged(lab, 1210) == 0


def test_an_underlay_too_small_for_any_cluster_is_refused_by_name(two_servers):
    lab = two_servers(guests=1)
    lab.ip("server1", "link", "set", "u0", "mtu", "625")
    with pytest.raises(ConfigError, match=r"'u0' on 'server1' has MTU 625.*least 576") as refused:
        derive(None, [lab.underlay(name) for name in lab.namespaces])
    assert "ip link set dev u0 mtu 626" in refused.value.hint
    lab.ip("server1", "link", "set", "dev", "u0", "mtu", "626")
    assert derive(None, [lab.underlay(name) for name in lab.namespaces]) == 576

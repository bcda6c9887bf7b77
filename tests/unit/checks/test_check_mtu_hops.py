"""Every hop's MTU against what the build set, and which one is the narrowest."""

from __future__ import annotations

import shlex
from dataclasses import replace
from ipaddress import ip_address

import pytest

from farswitch.connections.netlink.links import Link
from farswitch.links.underlay import OVERHEAD_V4, OVERHEAD_V6, Underlay
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest, Server
from farswitch.model.settings import Settings
from tasks.checks.mtu import hops as mtu_hops
from tasks.checks.mtu.hops import ServerState, explain, judge, without_build
from tasks.checks.mtu.table import table

REBUILD = "python -m workflows.build"
SETTINGS = Settings(cluster="lab")
ONE = Server("server1", "hypervisor", "server1", ip_address("198.51.100.11"))
TWO = Server("server2", "switch", "server2", ip_address("198.51.100.12"))
NODE = Guest("node1", 1, "server1", SETTINGS)
CLUSTER = Cluster(SETTINGS, (ONE,), TWO, (NODE,))
NAMES = {"server1": ("fsd41", "fsb41", "fsv41"), "server2": ("fsv41", "fss41")}
ALL = ["node1 data0", "server1 fsd41", "server1 fsb41", "server1 fsv41", "server1 eth1",
       "server2 fsv41", "server2 fss41", "server2 eth1", "server1 ", "server2 "]  # fmt: skip


def state(
    server: Server,
    *,
    mtu=1450,
    device=1500,
    route=9000,
    overhead=OVERHEAD_V4,
    learned=False,
    **other,
):
    links = {name: Link(1, name, mtu=other.get(name, mtu)) for name in NAMES[server.name]}
    links["eth1"] = Link(9, "eth1", mtu=device)
    links = {name: link for name, link in links.items() if link.mtu}
    under = Underlay(server.name, "eth1", server.underlay, min(device, route), overhead)
    return ServerState(links, under, learned)


def command(host, argv):
    return f"ssh {host} {shlex.join(argv)}"


def all_hops(one=None, two=None, *, nic=1450, mtu=1450, largest=1500):
    grounds = {"server1": one or state(ONE), "server2": two or state(TWO)}
    found = [mtu_hops.of_guest(NODE, nic, mtu, REBUILD)]
    for server in (ONE, TWO):
        here = grounds[server.name]
        found += mtu_hops.of_server(CLUSTER, server, here, mtu, (REBUILD, command))
    for here, there in (("server1", "server2"), ("server2", "server1")):
        found.append(mtu_hops.path(grounds[here], grounds[there], largest, mtu))
    return found


def test_there_is_a_verdict_for_every_hop_and_all_is_well():
    hops = all_hops()
    assert [f"{hop.host} {hop.name}" for hop in hops] == ALL
    checks = judge(hops)
    assert [check.ok for check in checks] == [True] * len(ALL)
    assert {check.name for check in checks} == {"mtu.hops"}
    assert {hop.carries for hop in hops} == {1450}


BAD = {
    "guest-nic": (all_hops(nic=1400), "node1", "NIC 'data0': MTU 1400, carries 1400", REBUILD),
    "tap": (all_hops(state(ONE, fsd41=1400)), "server1", "tap 'fsd41' of 'node1': MTU 1400",
            REBUILD),
    "bridge": (all_hops(state(ONE, fsb41=1400)), "server1", "bridge 'fsb41'", REBUILD),
    "tunnel": (all_hops(state(ONE, fsv41=1400)), "server1", "tunnel 'fsv41'", REBUILD),
    "port": (all_hops(two=state(TWO, fsv41=1400)), "server2", "switch port 'fsv41'", REBUILD),
    "switch": (all_hops(two=state(TWO, fss41=1400)), "server2", "switch bridge 'fss41'", REBUILD),
    "underlay": (all_hops(state(ONE, device=1400), largest=1400), "server1",
                 "underlay device 'eth1': MTU 1400, carries 1350",
                 "ssh server1 ip link set dev eth1 mtu 1500"),
    "underlay-of-switch": (all_hops(two=state(TWO, device=1499), largest=1499), "server2",
                           "MTU 1499, carries 1449", "ssh server2 ip link set dev eth1 mtu 1500"),
    "over-IPv6": (all_hops(state(ONE, mtu=1430, device=1490, overhead=OVERHEAD_V6),
                           state(TWO, mtu=1430, overhead=OVERHEAD_V6),
                           nic=1430, mtu=1430, largest=1490), "server1",
                  "MTU 1490, carries 1420", "ssh server1 ip link set dev eth1 mtu 1500"),
    "learned-route": (all_hops(state(ONE, route=1400, learned=True)), "server1",
                      "route of the underlay from 198.51.100.11: MTU 1400, carries 1350",
                      "ssh server1 ip route flush cache"),
    "configured-route": (all_hops(state(ONE, route=1400)), "server1", "MTU 1400, carries 1350",
                         "Take 'mtu' off the route from 198.51.100.11, or give it at least 1500."),
    "tap-is-larger": (all_hops(state(ONE, fsd41=1500)), "server1", "MTU 1500", REBUILD),
    "gone": (all_hops(state(ONE, fsd41=0)), "server1", "tap 'fsd41' of 'node1': not there",
             REBUILD),
}  # fmt: skip


@pytest.mark.parametrize(("hops", "host", "measured", "fix"), BAD.values(), ids=BAD)
def test_the_hop_that_is_not_as_built_is_blamed_alone(hops, host, measured, fix):
    (check,) = [check for check in judge(hops) if not check.ok]
    assert check.host == host
    assert measured in check.measured
    assert check.fix == fix


def test_a_larger_underlay_is_no_failure_when_the_site_says_a_smaller_number():
    assert all(check.ok for check in judge(all_hops(state(ONE, device=9000))))


def test_a_path_that_is_too_small_is_blamed_and_the_number_to_set_is_named():
    failed = [check for check in judge(all_hops(largest=1400)) if not check.ok]
    assert [check.host for check in failed] == ["server1", "server2"]
    assert failed[0].measured == "path to 'server2': MTU 1400, carries 1350"
    assert "at least 1500 on every switch and router between 'server1' and" in failed[0].fix
    assert "'mtu: 1350'" in failed[0].fix


def test_a_path_that_nothing_passes_is_no_pass():
    failed = [check for check in judge(all_hops(largest=None)) if not check.ok]
    assert [check.measured for check in failed] == [
        "path to 'server2': nothing arrives", "path to 'server1': nothing arrives"
    ]  # fmt: skip


def test_the_narrowest_of_two_is_named_by_both():
    checks = judge(all_hops(state(ONE, fsd41=1400), state(TWO, fss41=1300)))
    tap, bridge = [check for check in checks if not check.ok]
    assert "narrower still: switch bridge 'fss41' on 'server2'" in tap.cause
    assert "narrowest of all hops: set it to 1450" in bridge.cause
    hops = all_hops(state(ONE, fsd41=1400), state(TWO, fss41=1300))
    assert explain(hops).name == "fss41"
    assert explain(all_hops()) is None
    assert explain([replace(hop, found=None) for hop in hops]) is None


def test_a_build_is_no_fix_while_the_underlay_is_too_small_for_it():
    hops = all_hops(state(ONE, device=1400, fsd41=1300), nic=1300, largest=1400)
    mended = without_build(hops, command)
    fixes = [check.fix for check in judge(mended) if not check.ok]
    assert fixes == [
        "ssh node1 ip link set dev data0 mtu 1450",
        "ssh server1 ip link set dev fsd41 mtu 1450",
        "ssh server1 ip link set dev eth1 mtu 1500",
    ]
    healthy = all_hops(state(ONE, fsd41=1300))
    assert without_build(healthy, command) == healthy


def test_the_table_has_a_row_for_hops_that_are_alike():
    assert table(all_hops()) == [
        "MTU of                    on              configured  actual  effective",
        "NIC                       node1                 1450    1450       1450",
        "tap                       server1               1450    1450       1450",
        "bridge                    server1               1450    1450       1450",
        "tunnel                    server1               1450    1450       1450",
        "underlay device (2)       server[1-2]  at least 1500    1500       1450",
        "switch port               server2               1450    1450       1450",
        "switch bridge             server2               1450    1450       1450",
        "path between servers (2)  server[1-2]  at least 1500    1500       1450",
        "Every hop carries 1450 B of a guest.",
    ]


def test_the_table_names_what_is_too_small_and_the_number_to_set():
    lines = table(all_hops(two=state(TWO, fsv41=1400, device=1480), nic=None))
    assert "NIC 'data0'                     node1                 1450       -          0" in lines
    assert lines[-1] == (
        "The narrowest is the switch port 'fsv41' of 'node1' on 'server2': set it to 1450."
    )
    assert table(all_hops(nic=None))[-1] == "Nothing passes the NIC 'data0' on 'node1'."
    assert table([]) == []

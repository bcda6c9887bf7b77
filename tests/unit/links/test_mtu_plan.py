"""The MTU of the data network and the hops that do not have it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from farswitch.connections.netlink.links import Link
from farswitch.errors import ConfigError
from farswitch.links.mtu import derive, plan
from farswitch.links.underlay import OVERHEAD_V4, OVERHEAD_V6, Underlay
from farswitch.links.wanted import wanted_hops
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest, Server
from farswitch.model.settings import Settings

ONE = Underlay("server1", "eth1", ip_address("198.51.100.11"), 1500, OVERHEAD_V4)
TWO = replace(ONE, server="server2", device="eth5")


@pytest.mark.parametrize(
    ("wanted", "underlays", "mtu"),
    [
        pytest.param(None, [ONE, TWO], 1450, id="auto-over-IPv4"),
        pytest.param(None, [replace(ONE, overhead=OVERHEAD_V6)], 1430, id="auto-over-IPv6"),
        pytest.param(None, [replace(ONE, mtu=9000), TWO], 1450, id="the-narrowest-decides"),
        pytest.param(1450, [ONE, TWO], 1450, id="exactly-what-fits"),
        pytest.param(1300, [ONE, TWO], 1300, id="less-than-fits"),
    ],
)
def test_derive(wanted, underlays, mtu):
    assert derive(wanted, underlays) == mtu


def test_a_number_that_does_not_fit_names_server_device_and_limit():
    with pytest.raises(ConfigError) as caught:
        derive(1451, [replace(ONE, mtu=9000), TWO])
    for word in ("1451", "'server2'", "'eth5'", "1500", "1450"):
        assert word in str(caught.value)
    assert "1450" in caught.value.hint


def test_an_underlay_that_shrank_since_the_build_is_named_and_not_followed():
    shrunk = [replace(ONE, mtu=1500), replace(TWO, mtu=1400)]
    with pytest.raises(ConfigError, match="built with MTU 1450, and") as refused:
        derive(None, shrunk, built=1450)
    assert f"dev {TWO.device} mtu 1500" in refused.value.hint
    assert derive(1350, shrunk, built=1450) == 1350
    assert derive(None, shrunk, built=1350) == 1350


def a_cluster() -> Cluster:
    settings = Settings(cluster="lab")
    one = Server("server1", "hypervisor", "server1", ip_address("198.51.100.11"))
    two = Server("server2", "switch", "server2", ip_address("198.51.100.12"))
    return Cluster(settings, (one,), two, (Guest("node1", 1, "server1", settings),))


@pytest.mark.parametrize(
    ("have", "wrong"),
    [
        pytest.param([Link(1, "fsv41", mtu=1450), Link(2, "fsb41", mtu=1450)], [], id="all-right"),
        pytest.param([Link(1, "fsv41", mtu=1400)], ["fsv41"], id="tunnel-is-corrected"),
        pytest.param([Link(2, "fsb41", mtu=1500)], ["fsb41"], id="bridge-is-corrected"),
        pytest.param(
            [Link(3, "fsd41", mtu=1500, master="fsb41")], ["fsd41"], id="tap-is-corrected"
        ),
        pytest.param(
            [Link(3, "fsd41", mtu=1500, master="br0")], [], id="tap-of-somebody-else-is-left-alone"
        ),
        pytest.param([], [], id="absent-is-no-change"),
    ],
)
def test_plan(have, wrong):
    cluster = a_cluster()
    changes = plan(have, wanted_hops(cluster, cluster.server("server1")), 1450)
    assert [change.name for change in changes] == wrong


def test_on_the_switch_ports_and_bridge_are_hops():
    cluster = a_cluster()
    assert [hop.name for hop in wanted_hops(cluster, cluster.switch)] == ["fsv41", "fss41"]

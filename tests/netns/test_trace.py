"""A fault made by hand at each hop in turn: the trace names it, and what its fix says mends it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from farswitch.errors import ObstaclesError
from farswitch.proof.check import Check
from farswitch.proof.path_mtu import tunnel_paths
from farswitch.trace.frame import TracedFrames
from farswitch.trace.hops import Trace, hops
from farswitch.trace.judge import UNDERLAY, fitting, gap, judge
from tasks.trace import trace
from tasks.underlay_udp import underlay_udp
from tests.netns.built_servers import MTU, PROBES, REBUILD, Net, sh, two_servers
from tests.proving import checks_of

pytestmark = pytest.mark.root
ALL = [20] * 15


@pytest.fixture(scope="module")
def built(lasting_boxes, tmp_path_factory) -> Net:
    """A cluster of two guests as a build leaves it, each with a namespace."""
    return two_servers(lasting_boxes, tmp_path_factory.mktemp("trace"), apart=True)


@pytest.fixture
def net(built: Net) -> Net:
    """The cluster, whatever the test before left of it."""
    built.build()
    built.plug()
    return built


def traced(net: Net, frames: TracedFrames, *, back: bool = False) -> Trace:
    """Send from the first guest to the second, or back."""
    sender, receiver = reversed(net.cluster.guests) if back else net.cluster.guests
    way = hops(net.cluster, sender, receiver, {"server1": "u0", "server2": "u0"})
    task = SimpleNamespace(host=net.context.hosts["server1"])
    given = {"frames": frames, "way": way, "sender": sender, "receiver": receiver}
    found: Trace = trace(task, hosts=net.context.hosts, **given).result
    return found


def verdict(net: Net, found: Trace) -> Check:
    """Judge it, by the checks and the try of UDP that the command makes."""
    checks: list[Check] = []
    if lost := gap(found):
        checks += checks_of(net.context, *PROBES)
        if not fitting(lost, checks, net.cluster):
            checks += tried(net, lost.missed.host)
    return judge(net.cluster, found, checks, mtu=MTU, rebuild=REBUILD)


def tried(net: Net, host: str) -> list[Check]:
    paths = tunnel_paths(net.cluster, {"server1": "u0", "server2": "u0"})
    servers = {name: net.context.hosts[name] for name in ("server1", "server2")}
    try:
        underlay_udp(SimpleNamespace(host=servers["server1"]), paths, servers)
    except ObstaclesError as error:
        return [
            Check(UNDERLAY, host, ok=False, measured=one.what, expected="", fix=one.remedy)
            for one in error.obstacles
        ]
    return []


@pytest.mark.parametrize(
    ("frames", "back"),
    [
        pytest.param(TracedFrames(), False, id="echo"),
        pytest.param(TracedFrames(), True, id="back"),
        pytest.param(TracedFrames(tcp=True), False, id="tcp"),
        pytest.param(TracedFrames(size=MTU), False, id="as-large-as-can-be"),
        pytest.param(TracedFrames(size=MTU, tcp=True), False, id="large-tcp"),
    ],
)
def test_what_arrives_is_counted_at_every_hop(net, frames: TracedFrames, back: bool):
    found = traced(net, frames, back=back)
    assert [hop.count for hop in found.way] == ALL
    told = verdict(net, found)
    assert (told.ok, found.error, found.deaf) == (True, "", "")


NFT = "nft add table {table}; nft add chain {table} c '{{ type filter hook {hook} priority 0; }}'; "
DROP = NFT + "nft add rule {table} c {match} drop"
TUNNEL = "type vxlan dev u0 nolearning id {vni} dstport 4789 local {local} remote {remote}"
ANEW = "ip link del {name}; ip link add {name} " + TUNNEL + "; ip link set {name} master {of} up"
ISOLATED = "for p in fsv41 fsv42; do bridge link set dev $p isolated on; done"
ONE, TWO, ELSEWHERE = "198.51.100.11", "198.51.100.12", "198.51.100.99"
"""The servers' addresses, and one that nobody has."""
FAULTS = [
    ("tap-down", "server1", "ip link set fsd41 down", "tap 'fsd41'", "is down"),
    ("tap-unplugged", "server1", "ip link set fsd41 nomaster", "bridge 'fsb41'", "in no bridge"),
    ("bridge-down", "server1", "ip link set fsb41 down", "bridge 'fsb41'", "up is False"),
    ("tunnel-unplugged", "server1", "ip link set fsv41 nomaster", "bridge 'fsb41'", "in no bridge"),
    ("tunnel-down", "server1", "ip link set fsv41 down", "tunnel 'fsv41'", "it is down"),
    (
        "rule-of-the-bridge", "server1",
        DROP.format(table="bridge x1", hook="forward", match="iifname fsd41"),
        "tunnel 'fsv41'", "bridged from fsd41",
    ),
    (
        "another-remote", "server1",
        ANEW.format(name="fsv41", vni=41, local=ONE, remote=ELSEWHERE, of="fsb41"),
        "underlay 'u0' of 'server1'", f"remote address {ELSEWHERE} instead of {TWO}",
    ),
    (
        "dropped-as-it-leaves", "server1",
        DROP.format(table="inet x2", hook="output", match="udp dport 4789"),
        "underlay 'u0' of 'server1'", f"UDP port 4789 to {TWO}",
    ),
    (
        "dropped-on-the-device", "server1",
        DROP.format(table="netdev x3", hook="egress device u0", match="udp dport 4789"),
        "underlay 'u0' of 'server1'", f"UDP port 4789 to {TWO}",
    ),
    (
        "dropped-as-it-comes-in", "server2",
        DROP.format(table="netdev x4", hook="ingress device u0", match="udp dport 4789"),
        "port 'fsv41' of 'server2'", f"UDP port 4789 from {ONE}",
    ),
    (
        "another-vni", "server2",
        ANEW.format(name="fsv41", vni=99, local=TWO, remote=ONE, of="fss41"),
        "port 'fsv41' of 'server2'", "VNI 99 instead of 41",
    ),
    ("port-down", "server2", "ip link set fsv41 down", "port 'fsv41' of 'server2'", "it is down"),
    ("port-unplugged", "server2", "ip link set fsv41 nomaster", "switch 'fss41'", "in no bridge"),
    ("switch-down", "server2", "ip link set fss41 down", "switch 'fss41'", "up is False"),
    ("far-port-down", "server2", "ip link set fsv42 down", "port 'fsv42' of 'server2'", "is down"),
    ("far-port-isolated", "server2", ISOLATED, "port 'fsv42' of 'server2'", "is isolated"),
    (
        "rule-on-the-way-out", "server2",
        DROP.format(table="bridge x6", hook="postrouting", match="oifname fsv42"),
        "port 'fsv42' of 'server2'", "bridged to fsv42",
    ),
    (
        "far-remote", "server2",
        ANEW.format(name="fsv42", vni=42, local=TWO, remote=ELSEWHERE, of="fss41"),
        "underlay 'u0' of 'server2'", f"remote address {ELSEWHERE} instead of {ONE}",
    ),
    (
        "dropped-by-the-switch-as-it-leaves", "server2",
        DROP.format(table="inet x7", hook="output", match="udp dport 4789"),
        "underlay 'u0' of 'server2'", f"UDP port 4789 to {ONE}",
    ),
    (
        "dropped-by-the-hypervisors-rule", "server1",
        DROP.format(table="inet x8", hook="input", match="udp dport 4789"),
        "tunnel 'fsv42' of 'server1'", f"UDP port 4789 from {TWO}",
    ),
    (
        "far-tunnel-down", "server1", "ip link set fsv42 down", "tunnel 'fsv42'", "it is down",
    ),
    (
        "far-tunnel-unplugged", "server1", "ip link set fsv42 nomaster", "bridge 'fsb42'",
        "in no bridge",
    ),
    ("far-bridge-down", "server1", "ip link set fsb42 down", "bridge 'fsb42'", "up is False"),
    ("far-tap-down", "server1", "ip link set fsd42 down", "tap 'fsd42'", "is down"),
    (
        "entry-that-leads-astray", "server2",
        "bridge fdb replace 02:fa:00:00:00:2a dev fsv41 master static",
        "switch 'fss41'", "on fsv41 of fss41 (static)",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("server", "spoil", "hop", "why"), [fault[1:] for fault in FAULTS], ids=[f[0] for f in FAULTS]
)
def test_the_hop_that_loses_frames_is_named_and_its_fix_helps(net, server, spoil, hop, why):
    sh(net.boxes[server], spoil)
    found = traced(net, TracedFrames(count=5))
    told = verdict(net, found)
    assert told.ok is False
    assert told.host == server
    assert hop in told.measured.partition(";")[0]
    assert why in told.cause
    net.follow(told.fix)
    net.plug()
    assert [hop.count for hop in traced(net, TracedFrames(count=5)).way] == [5] * 15


def test_what_drops_only_tcp_is_found_by_tcp_alone(net):
    sh(
        net.boxes["server2"],
        DROP.format(table="bridge x9", hook="forward", match="tcp dport 21000"),
    )
    assert verdict(net, traced(net, TracedFrames(count=5))).ok
    told = verdict(net, traced(net, TracedFrames(count=5, tcp=True)))
    assert told.ok is False
    assert "0 of 5 left port 'fsv42' of 'server2'" in told.measured


def test_what_is_too_large_for_the_guest_is_reported_with_what_fits(net):
    told = verdict(net, traced(net, TracedFrames(count=5, size=MTU + 1)))
    assert told.measured == "0 of 5 left NIC 'data0' of 'node1': [Errno 90] Message too long"
    assert told.fix == f"Send no more: --size {MTU}"

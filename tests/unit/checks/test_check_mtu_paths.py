"""What got through between two servers, and what it says about firewall, tunnels and MTU."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from farswitch.connections.netlink.links import Link
from farswitch.links.underlay import Underlay
from farswitch.model.machines import Guest, Server
from farswitch.model.settings import Settings
from farswitch.proof import path_mtu
from farswitch.proof.packet_agent import Arrivals, SendErrors
from farswitch.proof.path_mtu import FORBIDDEN, SMALL, PacketPath, PathMtu, try_sizes
from farswitch.remote.packet_bytes import between
from tasks.checks.mtu.hops import Hop, ServerState
from tasks.checks.mtu.judge import Direction, judge_reach, judge_tunnels, judge_underlay

REBUILD = "python -m workflows.build"
ONE = Server("server1", "hypervisor", "server1", ip_address("198.51.100.11"))
TWO = Server("server2", "switch", "server2", ip_address("198.51.100.12"))
NODES = [Guest(f"node{number}", number, "server1", Settings(cluster="lab")) for number in (1, 2)]
ALL, SOME, NONE = (SMALL, 1450, 1500), (SMALL, 1300), ()
DEVICE = Hop("server2", "eth1", "underlay device 'eth1'", 1500, 1350, overhead=50, fix="ip link")
PORT = Hop("server2", "fsv41", "switch port 'fsv41'", 1450, 1300, "node1", fix=REBUILD)


def passage(passed, why=""):
    return PathMtu(set(passed), {1450, 1500} - set(passed), {1500: why} if why else {})


def direction(udp=ALL, icmp=ALL, tunnels=(ALL, ALL), *, device=1500, overhead=50, why=""):
    states = [
        ServerState(
            {"eth1": Link(1, "eth1", mtu=device)},
            Underlay(one.name, "eth1", one.underlay, device, overhead),
        )
        for one in (ONE, TWO)
    ]
    ways = [(guest, passage(way)) for guest, way in zip(NODES, tunnels, strict=False)]
    return Direction(ONE, TWO, *states, 4789, passage(udp, why), passage(icmp), ways)


@pytest.mark.parametrize(
    ("one", "mtu", "ok", "measured"),
    [
        pytest.param(direction(), 1450, True, "1500 B passes, 1501 B does not", id="exact"),
        pytest.param(direction(overhead=70), 1430, True, "1500 B passes", id="exact-over-IPv6"),
        pytest.param(direction(device=9000), 1450, True, "1500 B passes", id="larger-device"),
        pytest.param(
            direction(udp=(*ALL, 1501)), 1450, False, "1501 B passes", id="more-than-exact"
        ),
        pytest.param(
            direction(udp=SOME), 1450, False, "the largest that does has 1300 B", id="smaller"
        ),
        pytest.param(direction(udp=NONE), 1450, True, "1500 B passes", id="UDP-dropped-ICMP-says"),
        pytest.param(
            direction(NONE, NONE), 1450, False, "nothing arrives, not even 100 B", id="nothing"
        ),
        pytest.param(
            direction(udp=SOME, why="Message too long"), 1450, False, "(Message too long)", id="own"
        ),
    ],
)
def test_underlay(one, mtu, ok, measured):
    check = judge_underlay(one, [], mtu)
    assert (check.ok, check.host) == (ok, "server1")
    assert measured in check.measured


def test_underlay_names_the_hop_that_explains_and_its_fix():
    check = judge_underlay(direction(udp=SOME), [PORT, DEVICE], 1450)
    assert (
        check.cause == "The narrowest hop is the underlay device 'eth1' on 'server2' with MTU 1350."
    )
    assert check.fix == "ip link"


@pytest.mark.parametrize(
    ("tunnels", "ok", "measured", "cause"),
    [
        pytest.param((ALL, ALL), [True, True], "1450 B passes", "", id="all"),
        pytest.param(
            (SOME, ALL), [False, True], "the largest that does has 1300 B", "'fsv41'", id="smaller"
        ),
        pytest.param(
            (NONE, ALL), [False, True], "nothing arrives", "Its two ends differ", id="one-is-dead"
        ),
        pytest.param(
            (NONE, NONE), [False, False], "nothing arrives", "see 'reach.tunnel'", id="all-are-dead"
        ),
    ],
)
def test_tunnels(tunnels, ok, measured, cause):
    checks = list(judge_tunnels(direction(tunnels=tunnels), [PORT], 1450, REBUILD))
    assert [check.ok for check in checks] == ok
    assert measured in checks[0].measured
    assert "fsv41 of 'node1' to 'server2'" in checks[0].measured
    assert cause in checks[0].cause
    assert checks[0].fix == REBUILD


@pytest.mark.parametrize(
    ("one", "ok", "host", "cause"),
    [
        pytest.param(direction(), True, "server1", "", id="open"),
        pytest.param(direction(tunnels=(ALL, NONE)), True, "server1", "", id="one-is-enough"),
        pytest.param(direction(tunnels=()), True, "server1", "", id="no-guest-there"),
        pytest.param(
            direction(NONE, ALL, ()), False, "server1", "A firewall between the servers",
            id="no-guest-there-and-dropped",
        ),
        pytest.param(
            direction(tunnels=(NONE, NONE)), False, "server2", "a rule of 'server2' drops it",
            id="dropped-by-the-receiver",
        ),
        pytest.param(
            direction(NONE, ALL, (NONE, NONE)), False, "server1", "A firewall between the servers",
            id="dropped-on-the-way",
        ),
        pytest.param(
            direction(NONE, ALL, (NONE, NONE), why=FORBIDDEN), False, "server1",
            "A rule of 'server1' itself", id="dropped-by-the-sender",
        ),
        pytest.param(
            direction(NONE, NONE, (NONE, NONE)), False, "server1", "underlay lets nothing through",
            id="no-underlay",
        ),
    ],
)  # fmt: skip
def test_reach(one, ok, host, cause):
    check = judge_reach(one, REBUILD)
    assert (check.ok, check.host) == (ok, host)
    assert cause in check.cause
    assert check.fix


@pytest.mark.parametrize("size", [101, 1337, 1500, 8999])
def test_the_search_ends_at_every_size_within_three_rounds(size):
    low, high, rounds = SMALL, 9000, 0
    while high - low > 1:
        sizes = between(low, high)
        assert all(low < one < high for one in sizes)
        passed = [one for one in sizes if one <= size]
        stopped = [one for one in sizes if one > size]
        low, high, rounds = max([low, *passed]), min([high, *stopped]), rounds + 1
    assert (low, rounds <= 3) == (size, True)


class OneRefusal:
    """A server that at first cannot send packets with a mark; none arrives."""

    def __init__(self) -> None:
        self.asked = 0

    def send(self, message) -> None:
        self.asked += 1
        self.packets = getattr(message, "packets", ())

    def receive(self, _kind):
        if not self.packets:
            return Arrivals(arrivals=frozenset())
        refused = self.asked == 1
        errors = ["No route" if refused and one.mark else None for one in self.packets]
        return SendErrors(errors=errors)


def test_an_error_is_forgotten_once_the_packet_was_sent(monkeypatch):
    monkeypatch.setattr(path_mtu, "PATIENCE", 0.01)
    refused, sent = (
        PacketPath(
            "server1", "server1", "eth1", "udp", mark, "198.51.100.12", 4789, "198.51.100.11"
        )
        for mark in (1, 0)
    )
    results: dict[PacketPath, PathMtu] = {}
    try_sizes({"server1": OneRefusal()}, {refused: (SMALL,), sent: (SMALL,)}, results, attempts=1)
    assert results[refused].errors == {SMALL: "No route"}
    results.clear()
    try_sizes({"server1": OneRefusal()}, {refused: (SMALL,), sent: (SMALL,)}, results, attempts=2)
    assert results[refused].errors == {}
    assert results[refused].stopped == results[sent].stopped == {SMALL}

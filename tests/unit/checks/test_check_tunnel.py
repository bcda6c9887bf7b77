"""What is said of tunnels, ports and forwarding databases, one row a case."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from farswitch.connections.netlink.fdb import ANYBODY, Entry
from farswitch.connections.netlink.links import Link, Port
from farswitch.links import forwarding, ports, wanted
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest, Server
from farswitch.model.settings import Settings
from tasks.checks.tunnel.ends import judge_ends, judge_vnis
from tasks.checks.tunnel.fdb import Announcements, judge_fdb
from tasks.checks.tunnel.observed import TunnelState
from tasks.checks.tunnel.ports import judge_ports

SETTINGS = Settings(cluster="t")
ONE = Server("server1", "hypervisor", "h1", ip_address("198.51.100.11"))
TWO = Server("server2", "switch", "h2", ip_address("198.51.100.12"))
GUESTS = tuple(Guest(f"node{at}", at, "server1", SETTINGS) for at in (1, 2))
CLUSTER = Cluster(SETTINGS, (ONE,), TWO, GUESTS)
MAC = {guest.name: guest.data_mac for guest in GUESTS}
THIRD = ip_address("198.51.100.99")


def command(server):
    return lambda argv: f"on {server}: {' '.join(argv)}"


def links_of(server):
    """Every interface of a server as a build leaves it."""
    tunnels = wanted.wanted_tunnels(CLUSTER, server, device="u0", mtu=1450)
    made = [
        Link(0, one.name, one.kind, 1450, group=one.group, alias=one.alias, master=one.master,
             vxlan=one.vxlan, port=Port())
        for one in tunnels
    ]  # fmt: skip
    made += [
        Link(0, one.name, master=one.bridge, port=Port(isolated=one.isolated))
        for one in wanted.wanted_ports(CLUSTER, server)
        if one.tap
    ]
    return {link.name: link for link in made}


def entries_of(server):
    """The entries of the tunnels themselves as the kernel makes them."""
    far = ONE.underlay if server is TWO else TWO.underlay
    return [Entry(ANYBODY, guest.tunnel, static=True, local=True, far=far) for guest in GUESTS]


def state(server, *, more=(), entries=None, gone=(), **changed):
    links = links_of(server)
    for name, how in changed.items():
        links[name] = replace(links[name], **how)
    kept = [link for name, link in links.items() if name not in gone]
    return TunnelState(
        server,
        CLUSTER.owner,
        (*kept, *more),
        tuple(entries_of(server) if entries is None else entries),
        wanted.wanted_tunnels(CLUSTER, server, device="u0", mtu=1450),
        command(server.name),
    )


def ends(near, far, guest=GUESTS[0]):
    found = list(judge_ends(CLUSTER, guest, {"server2": near, "server1": far}, "build"))
    return [(one.host, one.ok) for one in found], found


def other(server, **how):
    vxlan = links_of(server)["fsv41"].vxlan
    return {"fsv41": {"vxlan": replace(vxlan, **how)}}


def test_two_ends_that_fit_are_one_check():
    verdicts, (found,) = ends(state(TWO), state(ONE))
    assert verdicts == [("server2", True)]
    for word in ("198.51.100.12 -> 198.51.100.11", "198.51.100.11 -> 198.51.100.12", "VNI 41"):
        assert word in found.measured


@pytest.mark.parametrize(
    ("how", "words"),
    [
        pytest.param({"vni": 99}, "VNI 99 instead of 41", id="vni"),
        pytest.param({"port": 4790}, "UDP port 4790 instead of 4789", id="udp-port"),
        pytest.param({"remote": THIRD}, "remote address 198.51.100.99 instead", id="remote"),
        pytest.param({"remote": None}, "remote address None instead", id="no-remote"),
        pytest.param({"local": THIRD}, "local address 198.51.100.99 instead", id="local"),
        pytest.param({"device": None}, "underlay device None instead of u0", id="no-device"),
        pytest.param({"learning": True}, "learning True instead of False", id="learning"),
    ],
)
@pytest.mark.parametrize("server", [ONE, TWO], ids=["hypervisor", "switch"])
def test_end_that_differs_is_blamed_and_both_are_told(server, how, words):
    here, there = (state(one, **(other(one, **how) if one is server else {})) for one in (TWO, ONE))
    verdicts, (found,) = ends(here, there)
    assert verdicts == [(server.name, False)]
    assert words in found.measured
    assert found.measured.count("fsv41 VNI") == 2
    assert found.fix == "build"


@pytest.mark.parametrize(
    ("how", "words"),
    [
        pytest.param({"up": False}, "it is down", id="down"),
        pytest.param({"running": False}, "it has no carrier", id="no-carrier"),
        pytest.param({"master": None}, "it is in no bridge instead of fss41", id="no-bridge"),
        pytest.param({"master": "br0"}, "it is in br0 instead of fss41", id="other-bridge"),
        pytest.param({"vxlan": None}, "it is no tunnel", id="no-tunnel"),
    ],
)
def test_state_of_the_switch_port_is_told(how, words):
    verdicts, (found,) = ends(state(TWO, fsv41=how), state(ONE))
    assert (verdicts, words in found.measured) == ([("server2", False)], True)
    assert found.cause


def test_missing_end_is_a_failure_of_its_server_and_both_may_fail():
    verdicts, found = ends(state(TWO, gone=["fsv41"]), state(ONE, fsv41={"up": False}))
    assert verdicts == [("server2", False), ("server1", False)]
    assert "it is missing" in found[0].measured


def test_end_without_our_mark_goes_before_the_build():
    _, (found,) = ends(state(TWO, fsv41={"alias": "", "group": 0, "up": False}), state(ONE))
    assert found.fix == "on server2: ip link del dev fsv41 && build"


@pytest.mark.parametrize(
    ("name", "alias", "fix"),
    [
        pytest.param("x", "", "on server1: ip link del dev x", id="foreign"),
        pytest.param("fsv49", "farswitch:t:old", "build", id="ours"),
    ],
)
def test_vni_used_twice_is_named_with_its_interface(name, alias, fix):
    twice = replace(links_of(ONE)["fsv42"], name=name, alias=alias, group=0)
    (found,) = judge_vnis(CLUSTER, state(ONE, more=[twice]), "build")
    assert (found.host, found.ok, found.fix) == ("server1", False, fix)
    assert found.measured.startswith(f"{name} has the VNI of node2: VNI 42")


def test_vnis_used_once_pass():
    assert [one.ok for one in judge_vnis(CLUSTER, state(TWO), "build")] == [True]


PLUGGED = Link(0, "eth7", master="fss41", port=Port())


@pytest.mark.parametrize(
    ("seen", "told", "fix"),
    [
        pytest.param(state(TWO), ["2 ports in 1 bridges, each of a guest"], "", id="switch"),
        pytest.param(state(ONE), ["6 ports in 3 bridges, each of a guest"], "", id="hypervisor"),
        pytest.param(state(TWO, gone=["fsv42"]), ["fsv42 of node2 is not there"], "build",
                     id="guest-without-port"),
        pytest.param(state(TWO, more=[PLUGGED]),
                     ["eth7 is a port of fss41 and belongs to no guest of it"],
                     "on server2: ip link set dev eth7 nomaster", id="port-without-guest"),
        pytest.param(state(TWO, more=[replace(links_of(TWO)["fsv42"], name="fsv49")]),
                     ["fsv49 is a port of fss41 and belongs to no guest of it"], "build",
                     id="port-of-a-guest-that-went"),
        pytest.param(state(TWO, fsv41={"up": False}), ["fsv41 of node1 is down"], "build",
                     id="down"),
        pytest.param(state(TWO, fsv41={"port": Port(isolated=True)}),
                     ["fsv41 of node1 is isolated: it reaches no other isolated port"], "build",
                     id="isolated"),
        pytest.param(state(TWO, fsv41={"port": Port(learning=False)}),
                     ["fsv41 of node1 does not learn addresses"], "build", id="no-learning"),
        pytest.param(state(TWO, fsv41={"port": Port(flood=False)}),
                     ["fsv41 of node1 gets no broadcasts or frames to unknown addresses"], "build",
                     id="no-flood"),
        pytest.param(state(TWO, fsv41={"port": Port(forwarding=False)}),
                     ["fsv41 of node1 does not forward"], "build", id="blocked"),
        pytest.param(state(ONE, fsd41={"master": None}),
                     ["fsd41 of node1 is in no bridge instead of fsb41"], "build", id="tap-out"),
        pytest.param(state(ONE, fsd41={"master": "br0"}),
                     ["fsd41 of node1 is in br0 instead of fsb41"],
                     "on server1: ip link set dev fsd41 master fsb41", id="tap-elsewhere"),
        pytest.param(state(ONE, gone=["fsd42", "fsm42"]),
                     ["4 ports in 3 bridges, each of a guest"], "", id="guest-off"),
        pytest.param(state(ONE, fsd42={"master": "fsb41"}),
                     ["fsd42 of node2 is in fsb41 instead of fsb42",
                      "fsd42 is a port of fsb41 and belongs to no guest of it"],
                     "on server1: ip link set dev fsd42 master fsb42", id="past-the-switch"),
    ],
)  # fmt: skip
def test_ports(seen, told, fix):
    found = list(judge_ports(CLUSTER, seen, "build"))
    assert [one.measured for one in found] == told
    assert {one.host for one in found} == {seen.server.name}
    assert [one.ok for one in found] == ([True] if not fix else [False] * len(told))
    assert found[0].fix == fix


QUIET = Announcements(silent={"node1": "it is off", "node2": "it is off"})
"""Nobody spoke, so that only what is there is judged."""


def entry(mac, device, bridge, **how):
    return Entry(mac, device, bridge, **how)


@pytest.mark.parametrize(
    ("server", "entries", "told"),
    [
        pytest.param(TWO, [entry(MAC["node1"], "fsv41", "fss41")], {}, id="own-port"),
        pytest.param(TWO, [entry(MAC["node1"], "fsv41", "fss41", static=True)], {},
                     id="static-on-its-own-port"),
        pytest.param(TWO, [entry(MAC["node1"], "fsv42", "fss41")],
                     {"node1": "on fsv42 of fss41 (learnt)"}, id="learnt-on-another"),
        pytest.param(TWO, [entry(MAC["node1"], "fsv42", "fss41", static=True)],
                     {"node1": "on fsv42 of fss41 (static)"}, id="static-on-another"),
        pytest.param(TWO, [entry(MAC["node1"], "fsv41", "fss41", static=True, local=True)],
                     {"node1": "on fsv41 of fss41 (local)"}, id="kept-by-the-server"),
        pytest.param(TWO, [entry(MAC["node1"], "eth7", "br0")], {}, id="somebody-elses-bridge"),
        pytest.param(ONE, [entry(MAC["node1"], "fsd41", "fsb41"),
                           entry(MAC["node2"], "fsv41", "fsb41")], {}, id="guests-bridge"),
        pytest.param(ONE, [entry(MAC["node1"], "fsv41", "fsb41")],
                     {"node1": "on fsv41 of fsb41 (learnt)"}, id="own-address-comes-back"),
        pytest.param(ONE, [entry(MAC["node2"], "fsd41", "fsb41")],
                     {"node2": "on fsd41 of fsb41 (learnt)"}, id="spoofed-by-node1"),
    ],
)  # fmt: skip
def test_addresses_of_guests(server, entries, told):
    seen = state(server, entries=[*entries_of(server), *entries])
    found = list(judge_fdb(CLUSTER, seen, "build", QUIET))
    assert [one.host for one in found] == [server.name] * 2
    wrong = {one.measured.split()[0]: one.measured for one in found if one.ok is False}
    assert wrong == {name: f"{name} ({MAC[name]}): {text}" for name, text in told.items()}
    removed, lost = forwarding.plan(
        seen.entries, wanted.wanted_forwarding(CLUSTER, server), seen.tunnels
    )
    assert (bool(removed), lost) == (bool(told), [])


@pytest.mark.parametrize(
    ("server", "entries", "ok", "told"),
    [
        pytest.param(TWO, [], False, "no entry in fss41", id="switch"),
        pytest.param(TWO, [entry(MAC["node1"], "eth7", "br0")], False, "no entry in fss41",
                     id="on-somebody-elses-bridge"),
        pytest.param(TWO, [entry(MAC["node1"], "fsv41", "fss41")], True, "on fsv41 of fss41",
                     id="learnt"),
        pytest.param(TWO, [entry(MAC["node1"], "fsv41", "fss41", static=True)], True, "(static)",
                     id="written"),
        pytest.param(ONE, [], False, "no entry in fsb41, fsb42", id="hypervisor"),
        pytest.param(ONE, [entry(MAC["node1"], "fsd41", "fsb41")], False, "no entry in fsb42",
                     id="not-in-the-others-bridge"),
        pytest.param(ONE, [entry(MAC["node1"], "fsd41", "fsb41"),
                           entry(MAC["node1"], "fsv42", "fsb42")], True, "on fsv42 of fsb42",
                     id="in-both"),
    ],
)  # fmt: skip
def test_a_guest_that_spoke_has_an_entry_in_every_bridge(server, entries, ok, told):
    seen = state(server, entries=[*entries_of(server), *entries])
    first, _ = judge_fdb(CLUSTER, seen, "build", Announcements())
    assert (first.ok, told in first.measured) == (ok, True)
    assert ok or (first.fix, "does not learn" in first.cause) == ("build", True)


def test_a_guest_that_is_lost_is_a_skip_and_one_that_could_not_speak_a_failure():
    silent = Announcements(silent={"node1": "it is off"}, failed={"node2": "no interface"})
    first, second = judge_fdb(CLUSTER, state(TWO), "build", silent)
    assert (first.ok, "it is off" in first.measured) == (None, True)
    assert (second.ok, "could not say anything: no interface" in second.measured) == (False, True)


def test_an_entry_that_moved_when_the_guest_spoke_was_wrong_all_the_same():
    before = {"server2": (entry(MAC["node1"], "fsv42", "fss41"),)}
    now = state(TWO, entries=[*entries_of(TWO), entry(MAC["node1"], "fsv41", "fss41")])
    first, _ = judge_fdb(CLUSTER, now, "build", Announcements(before=before))
    assert (first.ok, "on fsv42 of fss41 (learnt)" in first.measured) == (False, True)


@pytest.mark.parametrize(
    ("own", "told"),
    [
        pytest.param([], ["sends to no far end 198.51.100.11"], id="none"),
        pytest.param([Entry(ANYBODY, "fsv41", far=THIRD)],
                     ["sends to no far end 198.51.100.11", "sends all frames to 198.51.100.99"],
                     id="another"),
        pytest.param([Entry(ANYBODY, "fsv41", far=ONE.underlay),
                      Entry(ANYBODY, "fsv41", far=THIRD)],
                     ["sends all frames to 198.51.100.99"], id="a-second"),
        pytest.param([Entry(ANYBODY, "fsv41", far=ONE.underlay, elsewhere=True)],
                     ["sends to no far end 198.51.100.11", "sends all frames to 198.51.100.11"],
                     id="another-port-or-vni"),
        pytest.param([Entry(ANYBODY, "fsv41", far=ONE.underlay),
                      Entry(MAC["node2"], "fsv41", far=THIRD)],
                     [f"sends {MAC['node2']} to 198.51.100.99"], id="one-address"),
    ],
)  # fmt: skip
def test_tunnel_that_sends_elsewhere_is_made_anew(own, told):
    rest = [one for one in entries_of(TWO) if one.device != "fsv41"]
    seen = state(TWO, entries=[*own, *rest])
    first, second = judge_fdb(CLUSTER, seen, "build", QUIET)
    assert (first.ok, second.ok) == (False, None)
    assert all(f"fsv41 {text}" in first.measured for text in told)
    removed, lost = forwarding.plan(
        seen.entries, wanted.wanted_forwarding(CLUSTER, TWO), seen.tunnels
    )
    assert ([one.name for one in lost], removed) == (["fsv41"], [])


@pytest.mark.parametrize(
    ("name", "how", "lines"),
    [
        pytest.param("fsm41", {}, [], id="same-is-left-alone"),
        pytest.param("fsm41", {"port": Port()}, ["isolated False -> True"], id="isolated-again"),
        pytest.param("fsv41", {"port": Port(isolated=True)}, ["isolated True -> False"],
                     id="tunnel-is-not"),
        pytest.param("fsd41", {"up": False}, ["up False -> True"], id="tap-up-again"),
        pytest.param("fsv41", {"up": False}, [], id="tunnels-are-brought-up-by-vxlan"),
        pytest.param("fsm41", {"master": None, "port": None},
                     ["master None -> fsg41", "isolated False -> True"], id="tap-plugged-in-again"),
        pytest.param("fsm41", {"master": "br0", "port": Port()}, [], id="somebody-elses-bridge"),
        pytest.param("fsd41", {"port": Port(learning=False, flood=False)},
                     ["learning False -> True", "flood False -> True"], id="options"),
    ],
)  # fmt: skip
def test_plan_of_ports(name, how, lines):
    seen = state(ONE, **{name: how})
    changes = ports.plan(seen.links, wanted.wanted_ports(CLUSTER, ONE))
    assert [str(one) for one in changes] == [f"~ port {name} {line}" for line in lines]


def test_ports_that_are_not_there_need_nothing():
    assert ports.plan((), wanted.wanted_ports(CLUSTER, ONE)) == []

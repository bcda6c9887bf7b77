"""Which rules are in the way, what they are called, whose they are, and what removes them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from farswitch.firewall.evaluate import RuleClash, find_clashes
from farswitch.firewall.nft import NftChain, NftRule
from farswitch.firewall.obstacles import removal
from farswitch.firewall.ruleset import NFT, Chain, Rule, Ruleset
from farswitch.firewall.traffic import Flow, filtered, wanted_flows
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest, Server
from farswitch.model.settings import Settings
from tasks.checks.server.firewall import TOOLS, InTheWay, called, judge
from tasks.checks.server.rule_names import removals, setter

SETTINGS = Settings(cluster="t")
ONE = Server("server1", "hypervisor", "h1", ip_address("198.51.100.11"))
TWO = Server("server2", "switch", "h2", ip_address("198.51.100.12"))
GUESTS = tuple(Guest(f"node{at}", at, "server1", SETTINGS) for at in (1, 2))
CLUSTER = Cluster(SETTINGS, (ONE,), TWO, GUESTS)
DROP = {"drop": None}


def iptables(name, *texts, policy="accept", tool="iptables-nft", table="filter", user=False):
    return Chain(
        tool,
        table,
        name,
        tuple(Rule(text, shown=f"-A {name} {text}") for text in texts),
        policy,
        user,
    )


def bridged(hook, *exprs, tool=NFT, table="bridge x", policy="accept", kind="filter"):
    rules = tuple(NftRule(at, tuple(one)) for at, one in enumerate(exprs, start=5))
    chain = NftChain("bridge", "x", "c", rules, kind, hook, 0, None, policy)
    texts = tuple(Rule("{}", handle=one.handle) for one in rules)
    return Chain(tool, table, "c", texts, policy, user=False, nft=chain)


def meta(key, name):
    return {"match": {"op": "==", "left": {"meta": {"key": key}}, "right": name}}


def found(server, *chains, families=()):
    have = Ruleset(chains)
    wanted = (*wanted_flows(CLUSTER, server, "u0"), *filtered(CLUSTER, server, frozenset(families)))
    return [(str(one), tuple(map(str, drops))) for one, drops in find_clashes(have, wanted)]


@pytest.mark.parametrize(
    ("server", "chain", "stands"),
    [
        pytest.param(TWO, bridged("forward", [meta("iifname", "fsv41"), DROP]), True, id="port"),
        pytest.param(TWO, bridged("forward", [meta("iifname", "vnet0"), DROP]), False,
                     id="other-port"),
        pytest.param(TWO, bridged("prerouting", [meta("iifname", "fsv41"), DROP]), True,
                     id="before-it-is-bridged"),
        pytest.param(TWO, bridged("postrouting", [meta("oifname", "fsv41"), DROP]), True,
                     id="on-the-way-out"),
        pytest.param(TWO, bridged("postrouting", [meta("oifname", "eth7"), DROP]), False,
                     id="out-of-another"),
        pytest.param(ONE, bridged("forward", [meta("ibrname", "fsb41"), DROP]), True,
                     id="guests-bridge"),
        pytest.param(ONE, bridged("forward", [meta("ibrname", "br0"), DROP]), False,
                     id="other-bridge"),
        pytest.param(ONE, bridged("forward", [meta("oifname", "vnet1"), DROP]), False,
                     id="to-another"),
        pytest.param(TWO, bridged("forward", policy="drop"), True, id="policy"),
        pytest.param(TWO, bridged("postrouting", policy="drop", tool="ebtables-nft", table="nat"),
                     True, id="ebtables-nat-sees-every-frame"),
        pytest.param(TWO, bridged("input", policy="drop"), False, id="nobody-lives-there"),
        pytest.param(TWO, iptables("FORWARD", policy="drop"), False, id="routed-only"),
        pytest.param(TWO, iptables("INPUT", "-p udp -j DROP"), True, id="tunnels"),
        pytest.param(TWO, iptables("PREROUTING", "-j DROP", table="nat"), False, id="nat"),
    ],
)  # fmt: skip
def test_what_stands_in_the_way(server, chain, stands):
    assert bool(found(server, chain)) == stands


@pytest.mark.parametrize(
    ("values", "families"),
    [
        ({"net.bridge.bridge-nf-call-iptables": "1"}, {"ip", "inet"}),
        ({"net.bridge.bridge-nf-call-ip6tables": "1"}, {"ip6", "inet"}),
        ({"net.bridge.bridge-nf-call-arptables": "1"}, {"arp"}),
        ({"net.bridge.bridge-nf-call-iptables": "0"}, set()),
        ({}, set()),
    ],
)
def test_tables_that_see_bridged_frames_by_setting(values, families):
    assert called(values) == families


def test_dockers_policy_stops_bridged_frames_where_the_setting_says_so():
    rules = ("-o docker0 -j DOCKER", "-i docker0 -j ACCEPT")
    docker = iptables("DOCKER", "-d 172.17.0.2 -j ACCEPT", policy=None, user=True)
    chains = (iptables("FORWARD", *rules, policy="drop"), docker)
    assert found(ONE, *chains) == []
    ((what, drops),) = found(ONE, *chains, families={"ip", "inet"})
    assert what == "'policy drop' in chain 'FORWARD' of table 'filter' (iptables-nft)"
    assert drops == ("frames bridged from fsb41", "frames bridged from fsb42")


@pytest.mark.parametrize(
    ("chain", "at", "others", "who"),
    [
        pytest.param(iptables("DOCKER-USER", "-j DROP"), 0, (), "usually set by Docker", id="name"),
        pytest.param(iptables("FORWARD", "-j DOCKER-USER"), 0, (), "usually set by Docker",
                     id="jump"),
        pytest.param(iptables("FORWARD"), None, (iptables("DOCKER", user=True),),
                     "usually set by Docker", id="policy-beside-chains"),
        pytest.param(iptables("INPUT"), None, (iptables("ufw-user-input", user=True),),
                     "usually set by ufw", id="ufw"),
        pytest.param(iptables("x", "-j DROP", tool=NFT, table="inet firewalld"), 0, (),
                     "usually set by firewalld", id="firewalld"),
        pytest.param(iptables("LIBVIRT_FWI", "-o virbr0 -j REJECT"), 0, (),
                     "usually set by libvirt", id="libvirt"),
        pytest.param(iptables("INPUT", "-j DROP"), 0, (iptables("DOCKER", user=True),),
                     "somebody's own rule", id="rule-beside-chains"),
        pytest.param(iptables("INPUT"), None, (iptables("DOCKER", table="nat", user=True),),
                     "somebody's own policy, or what ufw left", id="chains-of-another-table"),
        pytest.param(iptables("FORWARD", tool="iptables-legacy"), None, (),
                     "somebody's own policy, or what Docker left", id="policy-alone"),
        pytest.param(iptables("in", tool=NFT), None, (), "somebody's own policy", id="nft-policy"),
    ],
)  # fmt: skip
def test_who_usually_sets_it(chain, at, others, who):
    assert setter(Ruleset((chain, *others)), RuleClash(chain, at)) == who


CHAIN = bridged("forward", [DROP], [DROP])


@pytest.mark.parametrize(
    ("chain", "at", "argv"),
    [
        pytest.param(CHAIN, 1, "nft delete rule bridge x c handle 6", id="nft-rule"),
        pytest.param(CHAIN, None, "nft chain bridge x c { policy accept; }", id="nft-policy"),
        pytest.param(iptables("INPUT", "-j DROP"), 0, "iptables-nft -t filter -D INPUT 1",
                     id="iptables-rule"),
        pytest.param(iptables("INPUT", tool="ip6tables-legacy"), None,
                     "ip6tables-legacy -t filter -P INPUT ACCEPT", id="legacy-policy"),
        pytest.param(replace(CHAIN, tool="ebtables-nft", table="nat"), 0,
                     "ebtables-nft -t nat -D c 1", id="ebtables-rule"),
        pytest.param(iptables("X", tool="ebtables-nft", user=True, policy="drop"), None,
                     "ebtables-nft -t filter -P X RETURN", id="ebtables-users-chain"),
    ],
)  # fmt: skip
def test_what_removes_it(chain, at, argv):
    assert " ".join(removal(RuleClash(chain, at))) == argv


def test_later_rules_go_first_because_their_numbers_move():
    chain = iptables("INPUT", "-j A", "-j B", "-j C")
    line = removals([RuleClash(chain, 0), RuleClash(chain, 2), RuleClash(chain)], " ".join)
    start = "iptables-nft -t filter"
    assert line == f"{start} -D INPUT 3 && {start} -D INPUT 1 && {start} -P INPUT ACCEPT"


def test_every_tool_is_told_and_only_its_own_rules():
    chain = iptables("INPUT", "-j DROP")
    one = InTheWay(
        RuleClash(chain, 0), "somebody's own rule", (Flow("input", frozenset(), "a"),) * 5
    )
    checks = list(judge("server1", [one], lambda mine: f"fix {len(mine)}"))
    assert [check.measured.partition(":")[0] for check in checks] == list(TOOLS)
    (failed,) = (check for check in checks if not check.ok)
    assert failed.measured == (
        "iptables-nft: '-A INPUT -j DROP' in chain 'INPUT' of table 'filter' (iptables-nft) "
        "drops frames from a, frames from a, frames from a and 2 more"
    )
    assert (failed.cause, failed.fix) == ("It is somebody's own rule.", "fix 1")


def test_programs_that_only_a_packet_can_judge_are_named_and_no_failure():
    rule = Rule("{}", shown="prog/xdpdrv id 7 name fw")
    program = RuleClash(Chain("xdp", "u0", "ingress", (rule,), None, user=False), 0)
    checks = list(judge("server1", [], lambda _: "", [program]))
    assert all(check.ok for check in checks)
    assert [check.measured for check in checks if "fw" in check.measured] == [
        (
            "xdp: nothing in the way; to be tried: 'prog/xdpdrv id 7 name fw' in ingress of device "
            "'u0' (xdp)"
        )
    ]

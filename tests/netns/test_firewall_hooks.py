"""Hooks that stand beside the tables of IP, on a real kernel: each is found and named.

Rules of nft on a device, ARP's table, what a bridge below the underlay drops, filters of tc, XDP.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from ipaddress import ip_address

import pytest

from farswitch.connections.shell.local import LocalShell
from farswitch.firewall.evaluate import suspects
from farswitch.firewall.modes import FirewallInTheWayError
from farswitch.firewall.obstacles import removal
from farswitch.firewall.read import observe
from farswitch.firewall.traffic import wanted_flows
from farswitch.links.underlay import LowerDevice
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest, Server
from farswitch.model.settings import Settings
from tests.netns import xdp_attach
from tests.netns.converged import firewall as converge
from tests.netns.test_firewall import rules, sh, state

pytestmark = pytest.mark.root
BOTH = "udp dport 4789 drop"


def cluster_of(mode: str, version: int = 4) -> Cluster:
    settings = Settings(cluster="lab", firewall=mode)
    start = {4: "10.99.1.", 6: "2001:db8::"}[version]
    one = Server("server1", "hypervisor", "h1", ip_address(f"{start}1"))
    two = Server("server2", "switch", "h2", ip_address(f"{start}2"))
    return Cluster(settings, (one,), two, (Guest("node1", 1, "server1", settings),))


def run(box: LocalShell, mode: str, version: int = 4, **options: object):
    cluster = cluster_of(mode, version)
    server = cluster.server("server1")
    return converge(box, cluster, server, device="u0", **options)


@pytest.fixture
def box(boxes: Callable[[], LocalShell]) -> LocalShell:
    machine = boxes()
    sh(machine, "ip link add u0 type veth peer name u1; ip link set u0 up; ip link set u1 up; "
       "ip addr add 10.99.1.1/24 dev u0")  # fmt: skip
    return machine


def table(family: str, hook: str, rule: str, policy: str = "accept") -> str:
    return (
        f"nft -f - <<'R'\ntable {family} t {{\n chain c {{\n  type filter hook {hook} priority 0; "
        f"policy {policy};\n  {rule}\n }}\n}}\nR"
    )


NFT = [
    pytest.param(("netdev", "ingress device u0", BOTH, "UDP port 4789 from 10.99.1.2"),
                 id="ingress"),
    pytest.param(("netdev", "egress device u0", BOTH, "UDP port 4789 to 10.99.1.2"),
                 id="egress"),
    pytest.param(("netdev", "ingress devices = { lo, u0 }", "ip saddr 10.99.1.2 drop",
                 "UDP port 4789 from 10.99.1.2"),
                 id="several-devices"),
    pytest.param(("inet", "ingress device u0", BOTH, "UDP port 4789 from 10.99.1.2"),
                 id="ingress-of-inet"),
    pytest.param(("netdev", "ingress device u0", "ether type arp drop", "ARP from u0"),
                 id="arp-on-the-device"),
    pytest.param(("arp", "input", "arp operation reply drop", "ARP from u0"),
                 id="arp"),
    pytest.param(("arp", "output", 'oifname "u0" drop', "ARP to u0"),
                 id="arp-out"),
    pytest.param(("ip", "prerouting", BOTH, "UDP port 4789 from"),
                 id="raw"),
    pytest.param(("netdev", "ingress device fsd41", "ether type ip drop",
                 "frames bridged from fsd41"),
                 id="guests-tap"),
    pytest.param(("netdev", "egress device fsv41", "drop", "frames bridged to fsv41"),
                 id="guests-tunnel"),
]  # fmt: skip


@pytest.fixture
def ports(box: LocalShell) -> LocalShell:
    sh(box, "for name in fsd41 fsv41; do ip link add $name type veth peer name p$name; done")
    return box


@pytest.mark.parametrize("case", NFT)
def test_check_names_a_rule_on_a_device_word_for_word(ports, case):
    family, hook, rule, drops = case
    sh(ports, table(family, hook, rule))
    before = state(ports)
    with pytest.raises(FirewallInTheWayError) as caught:
        run(ports, "check")
    assert f"'{rule}' in chain 'c' of table '{family} t' (nft) drops {drops}" in str(caught.value)
    assert state(ports) == before


@pytest.mark.parametrize("case", NFT)
@pytest.mark.parametrize("policy", ["accept", "drop"])
def test_narrow_opens_it_and_takes_its_rule_back(ports, case, policy):
    *words, drops = case
    sh(ports, table(*words, policy))
    before = state(ports)
    changes = run(ports, "narrow").changes
    assert any(drops in change for change in changes)
    run(ports, "narrow", dry_run=True)
    assert run(ports, "narrow").changes == ()
    assert run(ports, "narrow", present=False).changes
    assert state(ports) == before


@pytest.mark.parametrize("case", NFT)
@pytest.mark.parametrize("policy", ["accept", "drop"])
def test_reset_takes_it_and_gives_it_back(ports, case, policy):
    *words, drops = case
    sh(ports, table(*words, policy))
    before = state(ports)
    assert len(run(ports, "reset").changes) == 1 + (policy == "drop"), drops
    assert rules(ports) == []
    assert "policy drop" not in str(state(ports)["nft"])
    run(ports, "reset", present=False)
    assert state(ports) == before


def test_rules_on_devices_of_others_and_about_others_are_nobodys_business(box):
    sh(box, "ip link add other type veth peer name another")
    sh(box, table("netdev", "ingress device other", "drop", "drop"))
    sh(box, table("inet", "ingress device u0", 'iifname "other" drop'))
    sh(box, table("arp", "input", 'iifname "other" drop'))
    before = state(box)
    for mode in ("check", "narrow"):
        assert run(box, mode).changes == ()
    assert state(box) == before


@pytest.mark.parametrize("mode", ["check", "narrow"])
def test_neighbour_discovery_is_part_of_an_ipv6_underlay(box, mode):
    sh(box, "ip6tables-nft -P INPUT DROP; ip6tables-nft -A INPUT -p udp --dport 4789 -j ACCEPT")
    if mode == "check":
        with pytest.raises(FirewallInTheWayError, match="nd-neighbor-solicit from u0"):
            run(box, mode, 6)
        sh(box, "ip6tables-nft -A INPUT -p ipv6-icmp --icmpv6-type 135 -j ACCEPT; "
                "ip6tables-nft -A INPUT -p ipv6-icmp --icmpv6-type 136 -j ACCEPT")  # fmt: skip
        assert run(box, mode, 6).changes == ()
        return
    before = state(box)
    assert len(run(box, mode, 6).changes) == 2
    assert run(box, mode, 6).changes == ()
    run(box, mode, 6, present=False)
    assert state(box) == before


BELOW = [
    pytest.param(table("netdev", "ingress device eth0", BOTH), "netdev t", id="device-below"),
    pytest.param(table("bridge", "prerouting", BOTH), "bridge t", id="bridge"),
    pytest.param(table("bridge", "input", 'iifname "eth0" ether type ip drop'), "bridge t",
                 id="port"),
]  # fmt: skip


@pytest.mark.parametrize("mode", ["check", "narrow", "reset"])
@pytest.mark.parametrize(("spoil", "where"), BELOW)
def test_what_drops_below_the_underlays_bridge_is_found(boxes, spoil, where, mode):
    box = boxes()
    sh(box, "ip link add u0 type bridge; ip link add eth0 type veth peer name far; "
            "ip link set eth0 master u0")  # fmt: skip
    sh(box, spoil)
    below = (LowerDevice("eth0", "u0"),)
    before = state(box)
    if mode == "check":
        with pytest.raises(FirewallInTheWayError) as caught:
            run(box, mode, below=below)
        assert where in str(caught.value)
        assert "UDP port 4789 from 10.99.1.2" in str(caught.value)
        return
    assert run(box, mode, below=below).changes
    assert run(box, mode, below=below).changes == ()
    run(box, mode, below=below, present=False)
    assert state(box) == before


@pytest.mark.parametrize("mode", ["check", "narrow"])
def test_rule_of_ebtables_that_no_rule_of_ours_can_open_is_named(boxes, mode):
    box = boxes()
    sh(box, "ip link add u0 type bridge; ip link add eth0 type veth peer name far; "
            "ip link set eth0 master u0")  # fmt: skip
    sh(box, "ebtables-nft -A INPUT -p IPv4 --ip-proto udp --ip-dport 4789 -j DROP")
    before, below = state(box), (LowerDevice("eth0", "u0"),)
    with pytest.raises(FirewallInTheWayError) as caught:
        run(box, mode, below=below)
    assert "-p IPv4 --ip-proto udp --ip-dport 4789 -j DROP" in str(caught.value)
    assert "(ebtables-nft) drops UDP port 4789 from 10.99.1.2" in str(caught.value)
    assert state(box) == before
    sh(box, caught.value.hint.partition("': ")[2].partition("; or")[0])
    assert run(box, mode, below=below).changes == ()


def test_rule_of_ebtables_below_the_underlay_goes_and_comes_back(boxes):
    box = boxes()
    sh(box, "ebtables-nft -A INPUT -p IPv4 --ip-proto udp --ip-dport 4789 -j DROP")
    before = state(box)
    assert run(box, "reset").changes
    assert rules(box) == []
    run(box, "reset", present=False)
    assert state(box) == before


TC = [
    pytest.param("ingress", "protocol ip u32 match ip dport 4789 0xffff "
                 "action mirred egress redirect dev lo", "UDP port 4789 from 10.99.1.2", id="u32"),
    pytest.param("egress", "protocol ip u32 match ip protocol 17 0xff match ip dport 4789 0xffff "
                 "action mirred egress redirect dev lo", "UDP port 4789 to 10.99.1.2", id="egress"),
    pytest.param("ingress", "protocol ip u32 match ip src 10.99.1.0/24 "
                 "action mirred egress redirect dev lo", "UDP port 4789 from", id="network"),
    pytest.param("ingress", "protocol all u32 match u32 0 0 action mirred egress redirect dev lo",
                 "UDP port 4789 from", id="all"),
]  # fmt: skip


@pytest.mark.parametrize("mode", ["check", "narrow", "reset"])
@pytest.mark.parametrize(("hook", "words", "drops"), TC)
def test_filter_of_tc_is_named_and_its_remedy_helps_as_it_stands(box, hook, words, drops, mode):
    sh(box, f"tc qdisc add dev u0 clsact; tc filter add dev u0 {hook} {words}")
    shown = sh_out(box, f"tc filter show dev u0 {hook}")
    with pytest.raises(FirewallInTheWayError) as caught:
        run(box, mode)
    assert f"in {hook} of device 'u0' (tc) drops" in str(caught.value)
    assert drops in str(caught.value)
    assert " ".join(shown.split("\nfilter ")[-1].split()) in str(caught.value)
    assert sh_out(box, f"tc filter show dev u0 {hook}") == shown
    sh(box, caught.value.hint.partition("': ")[2].partition("; or")[0])
    run(box, mode)


@pytest.mark.parametrize(
    "words",
    [
        pytest.param("ingress protocol ip u32 match ip dport 22 0xffff "
                     "action mirred egress redirect dev lo", id="other-port"),
        pytest.param("ingress protocol ip u32 match ip src 192.168.0.0/16 "
                     "action mirred egress redirect dev lo", id="other-network"),
        pytest.param("ingress protocol arp u32 match u32 0 0 action mirred egress mirror dev lo",
                     id="copied-only"),
        pytest.param("egress protocol ip u32 match ip dport 4789 0xffff flowid 1:1", id="class"),
        pytest.param('ingress bpf bytecode "1,6 0 0 4294967295,"', id="classifier"),
        pytest.param("ingress protocol ipv6 u32 match u32 0 0 "
                     "action mirred egress redirect dev lo", id="other-protocol"),
    ],
)  # fmt: skip
def test_filter_that_lets_us_through_is_no_obstacle(box, words):
    sh(box, f"tc qdisc add dev u0 clsact; tc filter add dev u0 {words}")
    for mode in ("check", "narrow", "reset"):
        assert run(box, mode).changes == ()


PROGRAMS = [
    pytest.param("tc qdisc add dev u0 clsact; tc filter add dev u0 ingress bpf da bytecode "
                 "'1,6 0 0 2,'", "ingress of device 'u0' (tc)", id="tc"),
    pytest.param("tc qdisc add dev u0 clsact; tc filter add dev u0 egress bpf da bytecode "
                 "'1,6 0 0 2,'", "egress of device 'u0' (tc)", id="tc-egress"),
    pytest.param(f"{sys.executable} {xdp_attach.__file__} u0 1", "ingress of device 'u0' (xdp)",
                 id="xdp"),
]  # fmt: skip


@pytest.mark.parametrize(("attach", "where"), PROGRAMS)
def test_what_a_program_does_is_not_judged_by_reading_and_it_is_named(box, attach, where):
    sh(box, attach)
    for mode in ("check", "narrow", "reset"):
        assert run(box, mode).changes == ()
    cluster = cluster_of("check")
    flows = wanted_flows(cluster, cluster.server("server1"), "u0")
    (found,) = suspects(observe(box), flows)
    assert where in str(found)
    sh(box, shlex.join(removal(found)))
    assert suspects(observe(box), flows) == ()


def test_what_comes_after_a_program_of_the_same_hook_is_not_judged_by_reading(box):
    """Such a one may let pass for good what a later filter drops."""
    drop = "protocol ip pref 2 u32 match ip dport 4789 0xffff action mirred egress redirect dev lo"
    sh(box, "tc qdisc add dev u0 clsact; "
            "tc filter add dev u0 ingress pref 1 bpf da bytecode '1,6 0 0 0,'; "
            f"tc filter add dev u0 ingress {drop}")  # fmt: skip
    assert run(box, "check").changes == ()
    sh(box, "tc filter del dev u0 ingress pref 1")
    with pytest.raises(FirewallInTheWayError, match="match 000012b5"):
        run(box, "check")


def test_programs_of_another_device_are_not_suspected(box):
    box.run((sys.executable, xdp_attach.__file__, "u1", "1"))
    cluster = cluster_of("check")
    flows = wanted_flows(cluster, cluster.server("server1"), "u0")
    assert suspects(observe(box), flows) == ()


def test_filter_of_another_device_is_no_obstacle(box):
    sh(box, "tc qdisc add dev u1 clsact; tc filter add dev u1 ingress protocol all u32 "
            "match u32 0 0 action mirred egress redirect dev lo")  # fmt: skip
    assert run(box, "check").changes == ()


def sh_out(box: LocalShell, script: str) -> str:
    return box.run(("sh", "-ec", script)).stdout

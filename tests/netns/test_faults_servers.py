"""Faults of servers and tunnels, each made by hand: found, blamed, mended by the printed fix."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from farswitch.errors import ObstaclesError
from farswitch.firewall.traffic import wanted_flows
from farswitch.links.wanted_server import wanted_server
from tasks.checks.server import isolation
from tasks.checks.tunnel import probe as tunnel
from tasks.preflight import preflight
from tests.netns.built_servers import PROBES, REBUILD, Net, sh, two_servers
from tests.netns.inside import NetnsEndpoint
from tests.netns.owners import owned
from tests.own_lab import FAILED

pytestmark = pytest.mark.root
MAC = {"node1": "02:fa:00:00:00:29", "node2": "02:fa:00:00:00:2a"}


@pytest.fixture(scope="module")
def built(lasting_boxes, tmp_path_factory) -> Net:
    """A cluster of two guests as a build leaves it."""
    return two_servers(lasting_boxes, tmp_path_factory.mktemp("faults"))


UNSHAPE = r"""
for nic in $(ip -o link | sed -n "s/^[0-9]*: \([^:@]*\).*/\1/p"); do
  for where in root ingress clsact; do tc qdisc del dev "$nic" "$where" 2>/dev/null || :; done
  ip link set "$nic" txqueuelen 1000 || :
done
"""


@pytest.fixture
def net(built: Net, request: pytest.FixtureRequest) -> Iterator[Net]:
    """The cluster, whatever the test before left; what no build mends goes after a failure."""
    built.build()
    built.plug()
    yield built
    if request.node.stash.get(FAILED, False):
        for box in built.boxes.values():
            sh(box, UNSHAPE)


@pytest.mark.parametrize("mode", ["reset", "narrow", "check"])
def test_what_a_build_leaves_passes_every_check(net, mode):
    net = net.mode(mode)
    for name in (name for probe in PROBES for name in probe.checks):
        assert [check.measured for check in net.failed(name)] == []


TBF = "tbf rate 5mbit burst 16kb latency 50ms"
TUNNEL = "type vxlan dev u0 nolearning local 198.51.100.12"
ANEW = "ip link del fsv41; ip link add fsv41 {}; ip link set fsv41 master fss41 up"
FAULTS = [
    pytest.param(
        "server2", "ip link set fsv41 down",
        "tunnel.ends", ["node1", "it is down", "fsv41"], id="switch-port-down",
    ),
    pytest.param(
        "server2", ANEW.format(f"{TUNNEL} id 99 dstport 4789 remote 198.51.100.11"),
        "tunnel.ends", ["VNI 99 instead of 41", "'server1': fsv41 VNI 41"], id="another-vni",
    ),
    pytest.param(
        "server2", ANEW.format(f"{TUNNEL} id 41 dstport 4790 remote 198.51.100.11"),
        "tunnel.ends", ["UDP port 4790 instead of 4789", "UDP 4789"], id="another-udp-port",
    ),
    pytest.param(
        "server2", ANEW.format(f"{TUNNEL} id 41 dstport 4789 remote 198.51.100.99"),
        "tunnel.ends", ["remote address 198.51.100.99 instead of 198.51.100.11"],
        id="another-remote",
    ),
    pytest.param(
        "server1", "ip link set fsv42 nomaster",
        "tunnel.ends", ["node2", "in no bridge instead of fsb42"], id="end-out-of-its-bridge",
    ),
    pytest.param(
        "server1", "ip link del fsv42",
        "tunnel.ends", ["node2", "it is missing"], id="end-removed",
    ),
    pytest.param(
        "server1", "ip link add twice type vxlan id 42 dstport 4790 dev u0 remote 198.51.100.9",
        "tunnel.vni", ["twice has the VNI of node2"], id="vni-used-twice",
    ),
    pytest.param(
        "server2", "ip link add p type veth peer name q; ip link set p master fss41",
        "tunnel.ports", ["p is a port of fss41 and belongs to no guest"], id="port-without-guest",
    ),
    pytest.param(
        "server2", "ip link del fsv42",
        "tunnel.ports", ["fsv42 of node2 is not there"], id="guest-without-port",
    ),
    pytest.param(
        "server2", "bridge link set dev fsv41 isolated on",
        "tunnel.ports", ["fsv41 of node1 is isolated"], id="isolated-port-of-the-switch",
    ),
    pytest.param(
        "server1", "ip link set fsd41 nomaster",
        "tunnel.ports", ["fsd41 of node1 is in no bridge instead of fsb41"], id="tap-unplugged",
    ),
    pytest.param(
        "server2", f"bridge fdb replace {MAC['node1']} dev fsv42 master static",
        "tunnel.fdb", ["node1", "on fsv42 of fss41 (static)"], id="fdb-on-the-wrong-port",
    ),
    pytest.param(
        "server1", f"bridge fdb replace {MAC['node1']} dev fsv41 master static",
        "tunnel.fdb", ["node1", "on fsv41 of fsb41 (static)"], id="fdb-on-the-guests-bridge",
    ),
    pytest.param(
        "server2", "bridge fdb del 00:00:00:00:00:00 dev fsv41; "
        "bridge fdb append 00:00:00:00:00:00 dev fsv41 dst 198.51.100.99",
        "tunnel.fdb", ["fsv41 sends all frames to 198.51.100.99"], id="tunnel-led-astray",
    ),
    pytest.param(
        "server1", f"bridge fdb append {MAC['node2']} dev fsv41 dst 198.51.100.11",
        "tunnel.fdb", [f"fsv41 sends {MAC['node2']} to 198.51.100.11"], id="tunnel-entry-foreign",
    ),
    pytest.param(
        "server1", "bridge link set dev fsm41 isolated off",
        "server.isolation", ["fsm41 of node1: not isolated in fsg41"], id="isolation-off",
    ),
    pytest.param(
        "server1", "nft flush table inet farswitch_t",
        "server.guard", ["table inet farswitch_t", "chain 'input' lacks"], id="guard-flushed",
    ),
    pytest.param(
        "server2", "nft flush ruleset",
        "server.guard", ["table inet farswitch_t: it is not there"], id="all-rules-flushed",
    ),
    pytest.param(
        "server1", "nft insert rule bridge farswitch_t forward accept",
        "server.guard", ["has 1 rules that are not of the guard"], id="guard-with-a-hole",
    ),
    pytest.param(
        "server2", "ip link set fss41 down",
        "server.bridges", ["fss41: up is False"], id="bridge-down",
    ),
    pytest.param(
        "server1", "ip addr add 10.1.0.9/24 dev fsb41",
        "server.bridges", ["fsb41: it has the address 10.1.0.9/24"], id="bridge-with-address",
    ),
    pytest.param(
        "server2", "ip link del fss41; ip link add fss41 type bridge",
        "server.bridges", ["Interface 'fss41' on server 'server2' exists without our mark"],
        id="bridge-of-somebody-else",
    ),
    pytest.param(
        "server2", f"tc qdisc add dev fsv42 root {TBF}",
        "server.queues", ["fsv42: its queueing discipline is 'tbf' ("], id="port-shaped",
    ),
    pytest.param(
        "server1", f"tc qdisc add dev fsv41 root handle 5: {TBF}",
        "server.queues", ["fsv41: its queueing discipline is 'tbf' (5:)"], id="tunnel-shaped",
    ),
    pytest.param(
        "server1", "tc qdisc add dev fsd41 root handle 1: htb default 1; "
        "tc class add dev fsd41 parent 1: classid 1:1 htb rate 5mbit",
        "server.queues", ["fsd41: its queueing discipline is 'htb' (1:)"], id="tap-shaped",
    ),
    pytest.param(
        "server1", f"tc qdisc add dev fsb42 root {TBF}",
        "server.queues", ["fsb42: its queueing discipline is 'tbf'"], id="bridge-shaped",
    ),
    pytest.param(
        "server2", "tc qdisc add dev fss41 root blackhole",
        "server.queues", ["fss41: its queueing discipline is 'blackhole'"], id="bridge-swallows",
    ),
    pytest.param(
        "server2", "tc qdisc add dev fsv41 root pfifo limit 1",
        "server.queues", ["fsv41: its queueing discipline is 'pfifo'"], id="queue-of-one",
    ),
    pytest.param(
        "server1", f"tc qdisc add dev u0 root {TBF}",
        "server.queues", ["u0: its queueing discipline is 'tbf'"], id="underlay-shaped",
    ),
    pytest.param(
        "server2", "tc qdisc add dev u0 root handle 1: mq; tc qdisc add dev u0 parent 1:1 "
        f"handle 9: {TBF}",
        "server.queues", ["u0: its queueing discipline is 'tbf' (9:)"], id="one-queue-shaped",
    ),
    pytest.param(
        "server2", "ip link set u0 txqueuelen 1; tc qdisc add dev u0 root pfifo_fast",
        "server.queues", ["u0: its queue holds 1 packets"], id="short-queue",
    ),
    pytest.param(
        "server2", "tc qdisc add dev fsv41 ingress",
        "server.queues", ["fsv41: it has a 'ingress' for filters"], id="ingress-of-a-port",
    ),
    pytest.param(
        "server1", f"tc qdisc add dev fsv42 root {TBF}; tc qdisc add dev fsv42 clsact",
        "server.queues", ["'tbf'", "it has a 'clsact' for filters"], id="both",
    ),
    pytest.param(
        "server1", "echo net.ipv4.ip_forward=0 >/etc/sysctl.d/99-farswitch.conf",
        "server.sysctl", ["/etc/sysctl.d/99-farswitch.conf: not of farswitch"], id="file-foreign",
    ),
    pytest.param(
        "server2", "rm /etc/sysctl.d/99-farswitch.conf",
        "server.sysctl", ["/etc/sysctl.d/99-farswitch.conf: not there"], id="file-gone",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("server", "spoil", "name", "words"), FAULTS)
def test_fault_is_found_blamed_and_mended_by_its_fix(net, server, spoil, name, words):
    sh(net.boxes[server], spoil)
    found = net.failed(name)
    assert [check.host for check in found] == [server]
    assert [word for word in words if word not in found[0].measured] == []
    assert found[0].cause
    net.follow(found[0].fix)
    assert net.failed(name) == []
    assert net.failed("server.drift") == []


@pytest.mark.parametrize("server", ["server1", "server2"])
def test_bridged_frames_in_iptables_are_found_on_each_server(net, server):
    key = "/proc/sys/net/bridge/bridge-nf-call-iptables"
    sh(
        net.boxes[server],
        f"echo 1 >{key}; iptables-nft -N DOCKER || :; iptables-nft -P FORWARD DROP",
    )
    (setting,) = net.failed("server.sysctl")
    assert (setting.host, setting.measured) == (server, "net.bridge.bridge-nf-call-iptables = 1")
    (rule,) = net.failed("server.firewall")
    assert rule.host == server
    assert "'policy drop' in chain 'FORWARD' of table 'filter' (iptables-nft)" in rule.measured
    assert "bridge-nf-call-* is 1" in rule.measured
    assert "Docker" in rule.cause
    net.follow(setting.fix)
    assert net.failed("server.sysctl") + net.failed("server.firewall") == []


MINE = (
    "nft add table inet mine; nft add chain inet mine in '{ type filter hook input priority 5; }'"
)
FRAMES = (
    "nft add table bridge x; nft add chain bridge x c '{ type filter hook prerouting priority 0; }'"
)
DEVICE = (
    "nft add table netdev dev; "
    "nft add chain netdev dev c '{ type filter hook ingress device u0 priority 0; }'"
)
OWNED = (
    "add table inet theirs { flags owner; }\n"
    "add chain inet theirs in { type filter hook input priority 0; policy accept; }\n"
    "add rule inet theirs in "
)
RULES = (
    (
        "nft-drops-the-tunnels", "server2", "reset narrow check",
        f"{MINE}; nft add rule inet mine in udp dport 4789 drop",
        ["nft: 'udp dport 4789 drop' in chain 'in' of table 'inet mine'", "198.51.100.11"],
    ),
    (
        "rule-on-the-underlays-device", "server2", "reset narrow check",
        f"{DEVICE}; nft add rule netdev dev c udp dport 4789 drop",
        ["nft: 'udp dport 4789 drop' in chain 'c' of table 'netdev dev'", "198.51.100.11"],
    ),
    (
        "rule-on-a-guests-tap", "server1", "narrow check",
        f"{DEVICE.replace('u0', 'fsd41')}; nft add rule netdev dev c ether type ip drop",
        ["nft: 'ether type ip drop' in chain 'c' of table 'netdev dev'", "bridged from fsd41"],
    ),
    (
        "policy-of-ufw", "server1", "narrow check",
        "iptables-nft -N ufw-user-input || :; iptables-nft -P INPUT DROP",
        ["iptables-nft: 'policy drop' in chain 'INPUT'", "UDP port 4789 from 198.51.100.12"],
    ),
    (
        "legacy-rule", "server1", "check",
        "iptables-legacy -I INPUT -p udp --dport 4789 -j DROP",
        ["iptables-legacy: '-A INPUT -p udp -m udp --dport 4789 -j DROP'"],
    ),
    (
        "ebtables-on-a-guests-bridge", "server1", "reset narrow check",
        "ebtables-nft -A FORWARD -i fsd41 -j DROP",
        ["ebtables-nft: '-A FORWARD -i fsd41 -j DROP'", "bridged from fsd41"],
    ),
    (
        "ebtables-on-the-way-out", "server2", "reset check",
        "ebtables-nft -t nat -A POSTROUTING -o fsv42 -j DROP",
        ["'-A POSTROUTING -o fsv42 -j DROP' in chain 'POSTROUTING' of table 'nat'"],
    ),
    (
        "nft-rule-of-bridges", "server1", "narrow check",
        f"{FRAMES}; nft add rule bridge x c iifname fsd42 drop",
        ["'iifname \"fsd42\" drop' in chain 'c' of table 'bridge x'", "bridged from fsd42"],
    ),
)  # fmt: skip


@pytest.mark.parametrize(
    ("server", "mode", "spoil", "words"),
    [
        pytest.param(server, mode, spoil, words, id=f"{name}-{mode}")
        for name, server, modes, spoil, words in RULES
        for mode in modes.split()
    ],
)
def test_rule_in_the_way_is_named_and_taken_away_in_every_mode(net, server, mode, spoil, words):
    net = net.mode(mode)
    sh(net.boxes[server], spoil)
    (found,) = net.failed("server.firewall")
    assert found.host == server
    assert [word for word in words if word not in found.measured] == []
    assert (found.fix == REBUILD) == (mode != "check")
    net.follow(found.fix)
    assert net.failed("server.firewall") == []


@pytest.mark.parametrize("mode", ["reset", "narrow", "check"])
def test_what_no_build_can_change_is_named_with_a_fix_that_can(net, mode):
    net = net.mode(mode)
    sh(net.boxes["server2"], "tc qdisc add dev u0 clsact || :; tc filter add dev u0 ingress "
       "protocol ip u32 match ip dport 4789 0xffff "
       "action mirred egress redirect dev lo")  # fmt: skip
    (found,) = net.failed("server.firewall")
    assert (found.host, found.measured.partition(":")[0]) == ("server2", "tc")
    assert "redirect" in found.measured.lower()
    assert "UDP port 4789 from 198.51.100.11" in found.measured
    net.follow(found.fix)
    assert net.failed("server.firewall") == []


@pytest.mark.parametrize("mode", ["reset", "narrow", "check"])
def test_table_that_a_program_owns_is_named_with_its_owner_and_no_useless_fix(net, mode):
    net = net.mode(mode)
    with owned(net.boxes["server1"], f"{OWNED}udp dport 4789 drop") as pid:
        (found,) = net.failed("server.firewall")
        assert "'udp dport 4789 drop' in chain 'in' of table 'inet theirs' (nft)" in found.measured
        assert f"Stop process 'nft' (pid {pid})" in found.fix
        assert REBUILD not in found.fix
        assert "reset" not in found.fix
    assert net.failed("server.firewall") == []


@pytest.mark.parametrize(("mode", "refused"), [("reset", True), ("narrow", False)])
def test_preflight_names_an_owned_table_before_anything_is_touched(net, mode, refused):
    server = net.cluster.server("server2")
    given = {"want": wanted_server(net.cluster, server), "mode": mode, "builds": False,
             "flows": wanted_flows(net.cluster, server)}  # fmt: skip
    before = sh(net.boxes["server2"], "nft list ruleset")
    with owned(net.boxes["server2"], f"{OWNED}iifname eth7 drop") as pid:
        if not refused:
            net.task("server2", preflight, **given)
            return
        with pytest.raises(ObstaclesError) as caught:
            net.task("server2", preflight, **given)
    (obstacle,) = caught.value.obstacles
    assert "Table 'inet theirs'" in obstacle.what
    assert f"process 'nft' (pid {pid})" in obstacle.what
    assert f"Stop process 'nft' (pid {pid})" in obstacle.remedy
    assert caught.value.usage
    assert sh(net.boxes["server2"], "nft list ruleset") == before


def test_rules_of_other_interfaces_are_no_fault(net):
    sh(net.boxes["server1"], "ebtables-nft -A FORWARD -i vnet0 -j DROP; "
       "ebtables-nft -A FORWARD -s 02:00:00:00:00:99 -o vnet1 -j DROP; "
       "iptables-nft -P FORWARD DROP")  # fmt: skip
    assert net.failed("server.firewall") == []
    drift = net.failed("server.drift")
    assert {(check.host, check.measured.partition(":")[0]) for check in drift} == {
        ("server1", "firewall")
    }


def test_own_tuning_of_an_underlay_and_its_empty_hooks_are_no_fault(net):
    made = {
        "server1": "tc qdisc {} dev u0 root pfifo_fast; tc qdisc {} dev u0 clsact; "
        "tc qdisc {} dev fsg41 root pfifo limit 1",
        "server2": "tc qdisc {} dev u0 root mq; ip link set u0 txqueuelen 10000",
    }
    for name, lines in made.items():
        sh(net.boxes[name], lines.replace("{}", "add"))
    found = net.failed("server.queues")
    for name, lines in made.items():
        sh(net.boxes[name], lines.replace("{}", "del"))
    assert [check.measured for check in found] == []


def test_guest_that_is_off_is_no_fault_of_the_servers(net, monkeypatch):
    monkeypatch.setattr(isolation, "running", lambda _task: frozenset())
    sh(net.boxes["server1"], "ip link del fsd42; ip link del fsm42")
    assert net.failed("tunnel.ports") == []
    skips = [check for check in net.checks("server.isolation") if check.ok is None]
    assert ["node2: the guest is off" in check.measured or "fsm42" in check.measured
            for check in skips] == [True]  # fmt: skip


def forget(net: Net, *guests: str) -> None:
    """Let all bridges forget where guests are."""
    for name in ("server1", "server2"):
        sh(net.boxes[name], "for mac; do for port in fsv41 fsv42 fsd41 fsd42; do "
           "bridge fdb del $mac dev $port master 2>/dev/null || :; done; done",
           *(MAC[guest] for guest in guests))  # fmt: skip


def test_guests_that_were_silent_are_in_every_bridge_when_they_are_asked_to_speak(net):
    forget(net, *MAC)
    told = "\n".join(check.measured for check in net.checks("tunnel.fdb"))
    assert net.failed("tunnel.fdb") == []
    for place in ("fsd41 of fsb41", "fsv41 of fss41", "fsv42 of fsb42"):
        assert f"on {place} (learnt)" in told


@pytest.mark.parametrize(
    ("server", "spoil", "missed"),
    [
        pytest.param("server2", "bridge link set dev fsv41 learning off", {"fss41"}, id="switch"),
        pytest.param("server1", "bridge link set dev fsd41 learning off", {"fsb41"}, id="tap"),
        pytest.param("server1", "ip link set fsd41 down", {"fsb41", "fsb42", "fss41"}, id="down"),
    ],
)
def test_a_bridge_that_knows_nothing_of_a_guest_is_no_pass(net, server, spoil, missed):
    sh(net.boxes[server], spoil)
    forget(net, "node1")
    failed = net.failed("tunnel.fdb")
    assert {check.measured.split()[0] for check in failed} == {"node1"}
    told = {bridge for bridge in ("fss41", "fsb41", "fsb42")
            if any(bridge in check.measured for check in failed)}  # fmt: skip
    assert told == missed
    net.follow(failed[0].fix)
    assert net.failed("tunnel.fdb") == []


def test_server_that_does_not_answer_fails_every_check_of_the_tunnels(net, monkeypatch):
    broken = NetnsEndpoint("server1", "/proc/0/ns/net")
    opened = net.context.hosts["server1"].connections["netlink"]
    monkeypatch.setattr(opened, "connection", broken)
    for name in tunnel.PROBE.checks:
        (check,) = net.checks(name)
        assert (check.ok, check.measured[:10]) == (False, "not probed")


def test_every_wrong_port_is_told_apart(net):
    sh(net.boxes["server2"], "ip link set fsv41 nomaster; ip link set fsv42 down")
    told = [check.measured for check in net.failed("tunnel.ports")]
    assert told == ["fsv41 of node1 is in no bridge instead of fss41", "fsv42 of node2 is down"]
    ends = {check.measured.partition(":")[0]: check for check in net.failed("tunnel.ends")}
    assert {check.host for check in ends.values()} == {"server2"}
    assert set(ends) == {"node1", "node2"}

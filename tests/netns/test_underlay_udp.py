"""Whether the tunnels' UDP arrives, on a real wire between two servers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from types import SimpleNamespace
from typing import Any

import pytest
from nornir.core.inventory import Defaults, Host

from farswitch.connections.shell.local import LocalShell
from farswitch.errors import ObstaclesError
from farswitch.links.underlay import LowerDevice
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest, Server
from farswitch.model.settings import Settings
from farswitch.proof import path_mtu
from tasks.underlay_udp import underlay_udp
from tests.netns import xdp_attach
from tests.netns.wires import pid, sh

NETWORKS = {4: ("198.51.100.", 24), 6: ("2001:db8::", 64)}
ON_THE_WIRE = """
nft add table bridge way
nft add chain bridge way f '{{ type filter hook forward priority 0; }}'
nft add rule bridge way f {match} udp dport 4789 drop
"""
AT_HOME = """
nft add table inet home
nft add chain inet home c '{{ type filter hook {hook} priority 0; }}'
nft add rule inet home c udp dport 4789 drop
"""
CLOSED_TO_ARP = """
nft add table arp home
nft add chain arp home c '{ type filter hook input priority 0; policy drop; }'
"""


@dataclass
class Wire:
    """Two servers with a bridge between them."""

    cluster: Cluster
    hosts: dict[str, Host]
    boxes: dict[str, LocalShell]

    below: dict[str, tuple[LowerDevice, ...]] = field(default_factory=dict)

    def ask(self) -> None:
        paths = path_mtu.tunnel_paths(self.cluster, dict.fromkeys(self.hosts, "u0"))
        task = SimpleNamespace(host=self.hosts["server1"])
        underlay_udp(task, paths, self.hosts, below=self.below)

    def bridge(self, server: str) -> None:
        """Make the underlay's device of a server a bridge, with the wire's end as its port."""
        box = self.boxes[server]
        address = box.run(("ip", "-o", "addr", "show", "dev", "u0", "scope", "global")).stdout
        sh(box, "ip link set u0 name eth0; ip addr flush dev eth0; ip link add u0 type bridge; "
                "ip link set eth0 master u0; ip link set eth0 up; ip link set u0 up; "
                f"ip addr add {address.split()[3]} dev u0")  # fmt: skip
        self.below[server] = (LowerDevice("eth0", "u0"),)

    def refused(self) -> ObstaclesError:
        with pytest.raises(ObstaclesError) as caught:
            self.ask()
        assert caught.value.usage
        return caught.value


@pytest.fixture
def wire(boxes: Callable[[], LocalShell], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Wire]:
    monkeypatch.setattr(path_mtu, "PATIENCE", 0.2)

    def make(version: int = 4) -> Wire:
        start, bits = NETWORKS[version]
        between = boxes()
        sh(between, "ip link add w type bridge; ip link set w up")
        servers, hosts, places = [], {}, {"wire": between}
        for at, role in ((1, "hypervisor"), (2, "switch")):
            box, address = boxes(), ip_address(f"{start}{at}")
            server: Any = Server(f"server{at}", role, f"h{at}", address)
            sh(between, f"ip link add p{at} type veth peer name u0 netns {pid(box)}; "
                        f"ip link set p{at} master w up")  # fmt: skip
            sh(box, f"ip addr add {address}/{bits} dev u0 {'nodad' * (version == 6)}; "
                    "ip link set u0 up")  # fmt: skip
            hosts[server.name] = Host(server.name, defaults=Defaults())
            hosts[server.name].connections["shell"] = SimpleNamespace(connection=box)
            servers.append(server)
            places[server.name] = box
        guest = Guest("node1", 1, "server1", Settings(cluster="t"))
        cluster = Cluster(Settings(cluster="t"), (servers[0],), servers[1], (guest,))
        return Wire(cluster, hosts, places)

    return make


@pytest.mark.parametrize("version", [4, 6])
def test_it_arrives_both_ways_where_nobody_listens_yet(wire, version: int):
    wire(version).ask()


@pytest.mark.parametrize(
    ("match", "lost"),
    [
        pytest.param(
            "ether type ip",
            [
                "UDP port 4789 of 'server2', from 'server1': nothing arrives at 'u0'.",
                "UDP port 4789 of 'server1', from 'server2': nothing arrives at 'u0'.",
            ],
            id="both-ways",
        ),
        pytest.param(
            "iifname p2",
            ["UDP port 4789 of 'server1', from 'server2': nothing arrives at 'u0'."],
            id="one-way",
        ),
    ],
)
def test_what_lies_between_the_servers_is_reported(wire, match: str, lost: list[str]):
    one = wire()
    sh(one.boxes["wire"], ON_THE_WIRE.format(match=match))
    with pytest.raises(ObstaclesError) as refused:
        one.ask()
    assert sorted(str(refused.value).splitlines()) == sorted(lost)
    assert "security group" in refused.value.hint


@pytest.mark.parametrize("hook", ["input", "output", "prerouting"])
@pytest.mark.parametrize("server", ["server1", "server2"])
def test_what_a_build_opens_by_itself_is_no_obstacle(wire, hook: str, server: str):
    one = wire()
    sh(one.boxes[server], AT_HOME.format(hook=hook))
    one.ask()


@pytest.mark.parametrize("server", ["server1", "server2"])
@pytest.mark.parametrize(
    "rules",
    [
        pytest.param("netdev home '{ type filter hook egress device u0 priority 0; }' "
                     "udp dport 4789 drop", id="on-the-senders-device"),
        pytest.param("arp home '{ type filter hook input priority 0; }' drop", id="arp"),
        pytest.param("arp home '{ type filter hook output priority 0; }' drop", id="arp-out"),
    ],
)  # fmt: skip
def test_what_a_build_opens_below_the_sockets_is_no_obstacle(wire, rules: str, server: str):
    one = wire()
    family, _, rest = rules.partition(" home ")
    hook, _, rule = rest.partition("}' ")
    sh(one.boxes[server], f"nft add table {family} home; nft add chain {family} home c {hook}}}'; "
                          f"nft add rule {family} home c {rule}")  # fmt: skip
    one.ask()


def test_a_way_that_is_not_there_is_reported(wire):
    one = wire()
    sh(one.boxes["server1"], "ip addr flush dev u0; ip addr add 198.51.100.1/32 dev u0")
    with pytest.raises(
        ObstaclesError, match="from 'server1': cannot be sent to: Network is unreach"
    ):
        one.ask()


XDP = f"{sys.executable} {xdp_attach.__file__} {{device}} {{verdict}}"
TC = (
    "tc qdisc replace dev {{device}} clsact; "
    "tc filter add dev {{device}} {hook} bpf da bytecode '1,6 0 0 {{verdict}},'"
)
ATTACH = {
    "xdp": (XDP, {"pass": 2, "drop": 1}),
    "ingress": (TC.format(hook="ingress"), {"pass": 0, "drop": 2}),
    "egress": (TC.format(hook="egress"), {"pass": 0, "drop": 2}),
    "tcx-ingress": (f"{XDP} ingress", {"pass": -1, "drop": 2}),
    "tcx-egress": (f"{XDP} egress", {"pass": -1, "drop": 2}),
}
"""How a program is attached, and what it answers: <linux/bpf.h>, <linux/pkt_cls.h>."""


def attach(box: LocalShell, how: str, does: str, device: str = "u0") -> None:
    command, verdicts = ATTACH[how]
    sh(box, command.format(device=device, verdict=verdicts[does]))


def follow(box: LocalShell, error: ObstaclesError) -> None:
    """Do literally what a remedy says."""
    sh(box, error.hint.partition("': ")[2])


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("server", ["server1", "server2"])
def test_programs_that_let_it_pass_are_no_obstacle(wire, server: str, version: int):
    one = wire(version)
    for how in ATTACH:
        attach(one.boxes[server], how, "pass")
    one.ask()


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("xdp", "nothing arrives at 'u0', probably by 'prog/xdpdrv id "),
        ("ingress", "it arrives at 'u0' and is dropped there, probably by 'filter protocol all "),
        ("egress", "nothing arrives at 'u0', probably by 'filter protocol all "),
    ],
)
@pytest.mark.parametrize("server", ["server1", "server2"])
@pytest.mark.parametrize("version", [4, 6])
def test_a_program_that_drops_it_is_named_and_its_remedy_helps(wire, server, how, words, version):
    one = wire(version)
    attach(one.boxes[server], how, "drop")
    error = one.refused()
    assert words in str(error)
    assert f"of device 'u0' ({'xdp' if how == 'xdp' else 'tc'}) on '{server}'." in str(error)
    follow(one.boxes[server], error)
    one.ask()


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("tcx-ingress", "it arrives at 'u0' and is dropped there, probably by 'tcx/ingress id "),
        ("tcx-egress", "nothing arrives at 'u0', probably by 'tcx/egress id "),
    ],
)
def test_a_program_that_tc_does_not_list_is_named_with_its_id(wire, how, words):
    one = wire()
    attach(one.boxes["server1"], how, "drop")
    error = one.refused()
    assert words in str(error)
    assert f"name of_the_test' in {how[4:]} of device 'u0' (tcx) on 'server1'." in str(error)
    assert f"on 'server1': bpftool net detach tcx_{how[4:]} dev u0" in error.hint


@pytest.mark.parametrize("how", ATTACH)
def test_a_program_on_the_port_of_the_underlays_bridge_is_tried_and_named(wire, how: str):
    one = wire()
    one.bridge("server1")
    attach(one.boxes["server1"], how, "pass", "eth0")
    one.ask()
    attach(one.boxes["server1"], how, "drop", "eth0")
    error = one.refused()
    assert "of device 'eth0'" in str(error)


def test_both_of_two_programs_that_may_drop_it_are_named(wire):
    one = wire()
    attach(one.boxes["server1"], "egress", "pass")
    attach(one.boxes["server2"], "xdp", "drop")
    (what, *_) = str(one.refused()).splitlines()
    assert "(tc) on 'server1' or 'prog/xdpdrv" in what


def test_a_rule_on_the_receivers_device_that_a_build_opens_is_no_obstacle(wire):
    one = wire()
    sh(one.boxes["server1"],
       "nft add table netdev home; "
       "nft add chain netdev home c '{ type filter hook ingress device u0 priority 0; }'; "
       "nft add rule netdev home c udp dport 4789 drop")  # fmt: skip
    one.ask()


@pytest.mark.parametrize("hook", ["input", "output", "prerouting", "postrouting"])
def test_a_rule_of_the_underlays_bridge_that_a_build_opens_is_no_obstacle(wire, hook: str):
    one = wire()
    one.bridge("server1")
    sh(one.boxes["server1"],
       "nft add table bridge home; "
       f"nft add chain bridge home c '{{ type filter hook {hook} priority 0; }}'; "
       "nft add rule bridge home c ether type ip udp dport 4789 drop")  # fmt: skip
    one.ask()


def another_way_in(one: Wire, strict: int) -> None:
    """Give server1 its peers' network on u1, while it sends to them by u0."""
    sh(one.boxes["server1"],
       "ip link set u0 name u1; ip link set u1 up; ip link add u0 type veth peer name v0; "
       "ip link set u0 up; ip link set v0 up; "
       f"echo {strict} >/proc/sys/net/ipv4/conf/u1/rp_filter; "
       "ip route add 198.51.100.2/32 dev u0 src 198.51.100.1; "
       "ip neigh add 198.51.100.2 lladdr 02:00:00:00:00:07 dev u0")  # fmt: skip


@pytest.mark.parametrize("strict", [0, 1, 2])
def test_packets_that_come_in_by_another_device_are_named_and_the_remedy_helps(wire, strict: int):
    one = wire()
    box = one.boxes["server1"]
    another_way_in(one, strict)
    error = one.refused()
    words = (
        "it arrives at 'u1'" if strict != 1 else "and 'u1', which has the address, takes nothing"
    )
    assert str(error).startswith(
        f"UDP port 4789 of 'server1', from 'server2': nothing arrives at 'u0', {words}"
    )
    sh(box, error.hint.partition("': ")[2].partition(" (")[0])
    found = sh(box, "ip route get 198.51.100.2 from 198.51.100.1")
    assert "dev u1" in found
    paths = path_mtu.tunnel_paths(one.cluster, {"server1": "u1", "server2": "u0"})
    underlay_udp(SimpleNamespace(host=one.hosts["server1"]), paths, one.hosts)


@pytest.mark.parametrize("strict", [0, 1])
def test_another_way_in_is_named_beside_a_rule_that_a_build_opens(wire, strict: int):
    one = wire()
    box = one.boxes["server1"]
    mac = sh(box, "ip -br link show u0").split()[2]
    another_way_in(one, strict)
    sh(box, CLOSED_TO_ARP)
    if not strict:
        sh(one.boxes["server2"], f"ip neigh add 198.51.100.1 lladdr {mac} dev u0")
    error = one.refused()
    words = "and 'u1', which has the address, takes nothing" if strict else "it arrives at 'u1'"
    assert f"from 'server2': nothing arrives at 'u0', {words}" in str(error)


@pytest.mark.parametrize("kind", ["ifb", "veth"])
def test_an_address_that_is_also_elsewhere_says_nothing_of_the_way_in(wire, kind: str):
    one = wire()
    box = one.boxes["server1"]
    sh(box, f"ip link add more type {kind}; ip addr add 198.51.100.1/32 dev more; "
            "ip link set more up; echo 1 >/proc/sys/net/ipv4/conf/more/rp_filter")  # fmt: skip
    if kind == "ifb":
        sh(box, "ip addr flush dev u0; ip route add 198.51.100.0/24 dev u0")
    sh(one.boxes["server2"],
       "nft add table netdev home; "
       "nft add chain netdev home c '{ type filter hook egress device u0 priority 0; }'; "
       "nft add rule netdev home c udp dport 4789 drop")  # fmt: skip
    one.ask()

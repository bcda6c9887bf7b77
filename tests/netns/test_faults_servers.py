"""Faults of servers and tunnels, each made by hand: found, blamed, mended by the printed fix."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace

import pytest
from nornir.core import Nornir
from nornir.core.inventory import Defaults, Groups, Host, Hosts, Inventory
from nornir.core.state import GlobalState
from nornir.core.task import Result
from nornir.plugins.runners import SerialRunner

from farswitch.connections.shell.local import LocalShell
from farswitch.links.underlay import Underlay
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest, Server
from farswitch.model.settings import Settings
from farswitch.proof.check import Check
from farswitch.proof.context import Context
from tasks.bridge import bridge
from tasks.bridge_ports import bridge_ports
from tasks.checks.server import bridges, isolation
from tasks.checks.server import drift as server_drift
from tasks.checks.server import firewall as server_firewall
from tasks.checks.server import guard as server_guard
from tasks.checks.server import sysctl as server_sysctl
from tasks.checks.tunnel import fdb as tunnel_fdb
from tasks.checks.tunnel import probe as tunnel
from tasks.fdb import fdb
from tasks.firewall_reset import firewall_reset
from tasks.guard import guard
from tasks.sysctl import sysctl
from tasks.vxlan import vxlan
from tests.netns.arguments import arguments
from tests.netns.inside import NetnsEndpoint
from tests.proving import checks_of

pytestmark = pytest.mark.root
MTU = 1450
REBUILD = "build-again"
PROBES = [
    one.PROBE
    for one in (
        bridges, server_drift, server_firewall, server_guard, isolation,
        server_sysctl, tunnel, tunnel_fdb,
    )
]  # fmt: skip
SSH = """#!/bin/sh
# What `ssh -F FILE SERVER LINE` does, in the namespaces of the test.
shift 2; name=$1; shift
exec nsenter --target="$(cat "{folder}/$name")" --net --mount -- sh -c "$*"
"""
MAC = {"node1": "02:fa:00:00:00:29", "node2": "02:fa:00:00:00:2a"}


def sh(box: LocalShell, script: str, *words: str) -> str:
    return box.run(("sh", "-ec", script, "sh", *words)).stdout


def pid(box: LocalShell) -> str:
    return box.prefix[1].partition("=")[2]


@dataclass
class Net:
    """Two servers, and the far ends of the guests' taps in a third namespace."""

    context: Context
    boxes: dict[str, LocalShell]
    folder: Path

    @property
    def cluster(self) -> Cluster:
        return self.context.cluster

    def task(self, server: str, function: Callable[..., Result], **options: object) -> Result:
        host = self.context.hosts[server]
        inventory = Inventory(Hosts({server: host}), Groups(), Defaults())
        nornir = Nornir(inventory=inventory, runner=SerialRunner(), data=GlobalState())
        (result,) = nornir.run(function, **options)[server]
        if result.exception:
            raise result.exception
        return result

    def build(self) -> list[str]:
        """Run the build's own tasks on both servers and return the changes."""
        steps = (sysctl, guard, firewall_reset, bridge, vxlan, bridge_ports, fdb)
        done = [
            self.task(server, step, **arguments(step, self.cluster, server, mtu=MTU))
            for server in ("server1", "server2")
            for step in steps
        ]
        return [line for one in done if one.changed for line in one.diff.splitlines()]

    def plug(self) -> None:
        """Plug all guests in; a tap that is there stays."""
        far, box = pid(self.boxes["guests"]), self.boxes["server1"]
        for tap, master, mac, name in plugs(self.cluster):
            mtu, isolated = (MTU, "off") if name[0] == "d" else (1500, "on")
            sh(box, f"ip link show dev {tap} >/dev/null 2>&1 && exit; ip link add {tap} mtu {mtu} "
               f"type veth peer name {name} address {mac} netns {far}; "
               f"ip link set {tap} master {master} up; "
               f"bridge link set dev {tap} isolated {isolated}")  # fmt: skip
            sh(self.boxes["guests"], f"ip link set {name} up")

    def checks(self, name: str) -> list[Check]:
        """Run the probe of a check wherever it runs."""
        (probe,) = (probe for probe in PROBES if name in probe.checks)
        found = checks_of(self.context, probe, chosen={name})
        assert found
        return found

    def failed(self, name: str) -> list[Check]:
        return [check for check in self.checks(name) if not check.ok]

    def follow(self, fix: str) -> None:
        """Do what a fix says, word for word; the build is this test's own."""
        path = f"{self.folder}:{os.environ['PATH']}"
        subprocess.run(["sh", "-c", fix], env={"PATH": path}, check=True, timeout=30)
        if REBUILD in fix:
            self.build()

    def mode(self, firewall: str) -> Net:
        """Return the same site with another mode of the firewall."""
        settings = self.cluster.settings.model_copy(update={"firewall": firewall})
        cluster = replace(self.cluster, settings=settings)
        return replace(self, context=replace(self.context, cluster=cluster))


def plugs(cluster: Cluster) -> Iterator[tuple[str, str, str, str]]:
    """Yield tap, bridge, address and name of the far end for each NIC of each guest."""
    for guest in cluster.guests:
        yield guest.data_tap, guest.bridge, guest.data_mac, f"d{guest.vni}"
        management = cluster.management_bridge
        yield guest.management_tap, management, guest.management_mac, f"m{guest.vni}"


@pytest.fixture(scope="module")
def built(lasting_boxes, tmp_path_factory) -> Net:
    """A cluster of two guests as a build leaves it."""
    settings, folder = Settings(cluster="t"), tmp_path_factory.mktemp("faults")
    one = Server("server1", "hypervisor", "server1", ip_address("198.51.100.11"))
    two = Server("server2", "switch", "server2", ip_address("198.51.100.12"))
    guests = tuple(Guest(f"node{at}", at, "server1", settings) for at in (1, 2))
    cluster = Cluster(settings, (one,), two, guests)
    boxes = {name: lasting_boxes() for name in ("server1", "server2", "guests")}
    for box in boxes.values():  # what speaks by itself moves entries of an FDB, static ones too
        sh(box, "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6")
    sh(boxes["server1"], f"ip link add u0 type veth peer name u0 netns {pid(boxes['server2'])}")
    hosts = {server.name: host_of(cluster, server, boxes[server.name]) for server in (one, two)}
    for name in hosts:
        (folder / name).write_text(pid(boxes[name]))
    for name, text in (("ssh", SSH.format(folder=folder)), (REBUILD, "#!/bin/sh\n")):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    for guest in guests:
        hosts[guest.name] = Host(guest.name, data={"guest": guest}, defaults=Defaults())
        hosts[guest.name].connections["shell"] = SimpleNamespace(connection=boxes["guests"])
    context = Context(cluster, None, MTU, hosts, folder / "ssh_config", REBUILD)
    for server in (one, two):
        underlay = Underlay(server.name, "u0", server.underlay, 1500, 50)
        context.evidence.underlays[server.name] = underlay
    return Net(context, boxes, folder)


def host_of(cluster: Cluster, server: Server, box: LocalShell) -> Host:
    sh(box, f"ip addr add {server.underlay}/24 dev u0; ip link set u0 up")
    data = {"cluster": cluster, "server": server}
    host = Host(name=server.name, data=data, defaults=Defaults())
    endpoint = NetnsEndpoint(server.name, f"/proc/{pid(box)}/ns/net")
    host.connections["netlink"] = SimpleNamespace(connection=endpoint)
    host.connections["shell"] = SimpleNamespace(connection=box)
    return host


@pytest.fixture
def net(built: Net) -> Net:
    """The cluster, whatever the test before left of it."""
    built.build()
    built.plug()
    return built


@pytest.mark.parametrize("mode", ["reset", "narrow", "check"])
def test_what_a_build_leaves_passes_every_check(net, mode):
    net = net.mode(mode)
    for name in (name for probe in PROBES for name in probe.checks):
        assert [check.measured for check in net.failed(name)] == []


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
RULES = (
    (
        "nft-drops-the-tunnels", "server2", "reset narrow check",
        f"{MINE}; nft add rule inet mine in udp dport 4789 drop",
        ["nft: 'udp dport 4789 drop' in chain 'in' of table 'inet mine'", "198.51.100.11"],
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


def test_rules_of_other_interfaces_are_no_fault(net):
    sh(net.boxes["server1"], "ebtables-nft -A FORWARD -i vnet0 -j DROP; "
       "ebtables-nft -A FORWARD -s 02:00:00:00:00:99 -o vnet1 -j DROP; "
       "iptables-nft -P FORWARD DROP")  # fmt: skip
    assert net.failed("server.firewall") == []
    drift = net.failed("server.drift")
    assert {(check.host, check.measured.partition(":")[0]) for check in drift} == {
        ("server1", "firewall")
    }


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

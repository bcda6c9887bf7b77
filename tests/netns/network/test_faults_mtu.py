"""An MTU that is too small on any hop is found, blamed, and mended by the fix as it is printed."""

from __future__ import annotations

import subprocess
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from nornir.core import Nornir
from nornir.core.inventory import Defaults, Groups, Host, Hosts, Inventory
from nornir.core.state import GlobalState
from nornir.plugins.runners import SerialRunner

from farswitch.connections.shell.local import LocalShell
from farswitch.deadline import Deadline, wait_until
from farswitch.proof.context import Context
from farswitch.proof.pairing import Pairing
from tasks.bridge import bridge
from tasks.checks.reach import probe
from tasks.mtu import mtu
from tasks.vxlan import vxlan
from tests.netns.arguments import arguments
from tests.proving import checks_of

pytestmark = pytest.mark.root
ALL = Pairing(all_pairs=True)
REBUILD = "python -m workflows.build"


class Net:
    """Two servers with a wire of their own between them, and guests; all are namespaces."""

    def __init__(self, lab, *, mtu: int, routed: bool = False) -> None:
        servers = [replace(one, local=True) for one in lab.cluster.servers]
        self.cluster = replace(lab.cluster, hypervisors=(servers[0],), switch=servers[1])
        self.lab, self.mtu = lab, mtu
        lab.cluster = self.cluster
        self._lay_routed_wire() if routed else self._lay_wire()
        self.spaces = dict(lab.namespaces)
        self.hosts = {one.name: self._host(one.name, server=one) for one in servers}
        self.build_servers()
        for guest in self.cluster.guests:
            self.spaces[guest.name] = lab.plug(guest, mtu=mtu)
            self.hosts[guest.name] = self._host(guest.name, guest=guest)
        lab.settle("server1", *(one.data_tap for one in self.cluster.guests))

    def _lay_wire(self) -> None:
        """Put a switch of the underlay between the servers, which drops what is too large."""
        wire = self.wire = self.lab.make("wire")
        run = self.lab.ip_of
        run(wire, "link", "add", "w", "type", "bridge")
        run(wire, "link", "set", "w", "up")
        self.lab.ip("server1", "link", "del", "u0")
        for server, port in zip(self.cluster.servers, ("w1", "w2"), strict=True):
            v6 = server.underlay.version == 6
            address = f"{server.underlay}/{64 if v6 else 24}"
            inside = self.lab.namespaces[server.name]
            run(
                wire,
                "link",
                "add",
                port,
                "master",
                "w",
                "type",
                "veth",
                "peer",
                "u0",
                "netns",
                inside,
            )
            run(inside, "addr", "add", address, "dev", "u0", *(["nodad"] if v6 else []))
            run(inside, "link", "set", "u0", "addrgenmode", "none", "up")
            run(wire, "link", "set", port, "up")
        wait_until(self._forwards, Deadline(5), what="The start of the wire")

    def _lay_routed_wire(self) -> None:
        """Put a router between the servers, which answers what is too large (ICMP)."""
        wire = self.wire = self.lab.make("wire")
        run = self.lab.ip_of
        subprocess.run(
            ["ip", "netns", "exec", wire, "sysctl", "-qw", "net.ipv4.ip_forward=1"], check=True
        )
        self.lab.ip("server1", "link", "del", "u0")
        for server, port in zip(self.cluster.servers, ("w1", "w2"), strict=True):
            inside, address = self.lab.namespaces[server.name], str(server.underlay)
            run(wire, "link", "add", port, "type", "veth", "peer", "u0", "netns", inside)
            run(wire, "addr", "add", "198.51.100.1/32", "dev", port)
            run(wire, "link", "set", port, "up")
            run(inside, "addr", "add", f"{address}/32", "dev", "u0")
            run(inside, "link", "set", "u0", "addrgenmode", "none", "up")
            run(inside, "route", "add", "198.51.100.1", "dev", "u0", "src", address)
            run(inside, "route", "add", "default", "via", "198.51.100.1", "src", address)
            run(wire, "route", "add", address, "dev", port)
        for server in self.cluster.servers:
            self.lab.settle(server.name, "u0")

    def _forwards(self) -> bool:
        """Tell whether both ports forward: that begins with the carrier, which comes late."""
        ports = self.lab.ip_of(self.wire, "-d", "link", "show", "master", "w")
        states = [port["linkinfo"]["info_slave_data"]["state"] for port in ports]
        return states == ["forwarding", "forwarding"]

    def _host(self, name: str, **data: object) -> Host:
        host = Host(name=name, data={"cluster": self.cluster, **data}, defaults=Defaults())
        shell = LocalShell(name, prefix=("ip", "netns", "exec", self.spaces[name]))
        host.connections["shell"] = SimpleNamespace(connection=shell)
        if "server" in data:
            host.connections["netlink"] = SimpleNamespace(connection=self.lab.endpoint(name))
        return host

    def _run(self, name: str, task) -> None:
        guest = name not in self.lab.namespaces
        values = {"size": self.mtu} if guest else arguments(task, self.cluster, name, mtu=self.mtu)
        inventory = Inventory(Hosts({name: self.hosts[name]}), Groups(), Defaults())
        nornir = Nornir(inventory=inventory, runner=SerialRunner(), data=GlobalState())
        (result,) = nornir.run(task, **values)[name]
        if result.exception:
            raise result.exception

    def build_servers(self) -> None:
        for server in self.cluster.servers:
            self._run(server.name, bridge)
            self._run(server.name, vxlan)

    def rebuild(self) -> None:
        """Do what the build does about interfaces."""
        self.build_servers()
        for name in self.hosts:
            self._run(name, mtu)

    def follow(self, check) -> None:
        """Do what a check says, as it says it."""
        if check.fix == REBUILD:
            self.rebuild()
            return
        argv = ["ip", "netns", "exec", self.spaces[check.host], "sh", "-c", check.fix]
        subprocess.run(argv, check=True)

    def verify(self, pairing: Pairing = ALL, guest_mtu: int | None = None) -> list:
        """Run the probe as verify does."""
        record = SimpleNamespace(mtu=self.mtu)
        context = Context(
            self.cluster, record, self.mtu, self.hosts, Path("/ssh"), REBUILD, pairing=pairing,
            guest_mtu=guest_mtu,
        )  # fmt: skip
        found = checks_of(context, probe.PROBE)
        assert {check.name for check in found} == set(probe.PROBE.checks)
        return found

    def failed(self, name: str = "") -> list:
        return [check for check in self.verify() if not check.ok and check.name.startswith(name)]


@pytest.fixture
def net(two_servers, quick):
    """Make such a network."""

    def make(*, guests=2, v6=False, routed=False) -> Net:
        lab = two_servers(guests=guests, v6=v6)
        return Net(lab, mtu=1430 if v6 else 1450, routed=routed)

    return make


HOPS = (
    ("node1", "data0"),
    ("server1", "fsd41"),
    ("server1", "fsb41"),
    ("server1", "fsv41"),
    ("server1", "u0"),
    ("server2", "u0"),
    ("server2", "fsv41"),
    ("server2", "fss41"),
)


def test_each_hop_that_is_too_small_is_blamed_alone_and_its_fix_mends_it(net):
    one = net()
    for where, device in HOPS:  # that a hop is mended shows when the next one is blamed alone
        one.lab.ip_of(one.spaces[where], "link", "set", "dev", device, "mtu", "1300")
        found = one.failed("mtu.hops")
        blamed = [(check.host, f"'{device}'" in check.measured) for check in found]
        assert blamed == [(where, True)], f"{device} of {where}"
        assert "narrowest of all" in found[0].cause
        one.follow(found[0])
    assert one.failed() == []


def test_a_smaller_mtu_of_all_guests_is_proved_and_a_guest_without_it_is_named(net):
    one = net()
    for name in ("node1", "node2"):
        one.lab.ip_of(one.spaces[name], "link", "set", "dev", "data0", "mtu", "1300")
    found = one.verify(guest_mtu=1300)
    assert [check for check in found if not check.ok] == []
    exact = [check.measured for check in found if check.name == "mtu.exact"]
    assert [line.partition(": ")[2] for line in exact] == [
        "1300 B passes, 1301 B does not pass"
    ] * 2
    one.lab.ip_of(one.spaces["node2"], "link", "set", "dev", "data0", "mtu", "1450")
    wrong = [check for check in one.verify(guest_mtu=1300) if not check.ok]
    assert {(check.name, check.host) for check in wrong} == {
        ("mtu.hops", "node2"), ("mtu.exact", "node2"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "overhead"),
    [
        pytest.param({}, 50, id="IPv4"),
        pytest.param({"v6": True}, 70, id="IPv6"),
        pytest.param({"routed": True}, 50, id="router"),
    ],
)
def test_a_wire_that_is_too_small_is_measured_and_no_interface_is_blamed(net, options, overhead):
    one = net(**options)
    one.lab.ip_of(one.wire, "link", "set", "dev", "w1", "mtu", "1300")
    failed = one.failed()
    here, there = [check for check in failed if check.name == "mtu.hops"]
    assert (here.host, there.host) == ("server1", "server2")
    assert "path to 'server1': MTU 1300" in there.measured
    assert "at least 1500" in there.fix
    assert f"mtu: {1300 - overhead}" in there.fix
    under = [check.host for check in failed if check.name == "mtu.underlay"]
    assert under == ["server1", "server2"]
    one.lab.ip_of(one.wire, "link", "set", "dev", "w1", "mtu", "1500")
    assert one.failed() == []  # also when a router had told the servers: they forgot it


def test_a_route_that_learned_a_small_mtu_forgets_it_by_the_fix(net):
    one = net(routed=True)
    one.lab.ip_of(one.wire, "link", "set", "dev", "w2", "mtu", "1300")
    program = (
        "import socket; one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
        "one.setsockopt(0, 10, 3); one.sendto(bytes(1472), ('198.51.100.12', 4789))"
    )
    subprocess.run(
        ["ip", "netns", "exec", one.spaces["server1"], "python3", "-c", program], check=True
    )
    one.lab.ip_of(one.wire, "link", "set", "dev", "w2", "mtu", "1500")
    (found,) = one.failed("mtu.hops")
    assert (found.host, found.fix) == ("server1", "ip route flush cache")
    one.follow(found)
    assert one.failed() == []


def test_a_rule_that_drops_the_tunnels_port_is_no_matter_of_size(net):
    one = net()
    rule = (
        "add table ip t; add chain ip t c { type filter hook input priority 0; }; "
        "add rule ip t c udp dport 4789 drop"
    )
    subprocess.run(["ip", "netns", "exec", one.spaces["server2"], "nft", rule], check=True)
    failed = one.failed()
    (reach,) = [check for check in failed if check.name == "reach.tunnel"]
    assert reach.host == "server2"
    assert "0 of 2 tunnels" in reach.measured
    assert "plain UDP arrives" in reach.measured
    assert "server.firewall" in reach.cause
    assert not [check for check in failed if check.name in {"mtu.hops", "mtu.underlay"}]


def test_a_dead_switch_costs_bounded_time(net, monkeypatch):
    monkeypatch.undo()
    one = net(guests=3)
    one.lab.ip("server2", "link", "set", "dev", one.cluster.switch_bridge, "down")
    began = time.monotonic()
    failed = one.failed("reach")
    assert time.monotonic() - began < 20
    assert len([check for check in failed if check.name == "reach.icmp"]) == 6
    assert len([check for check in failed if check.name == "reach.tcp"]) == 6


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(("set", "fsv41", "down"), id="down"),
        pytest.param(("del", "fsv41"), id="away"),
    ],
)
def test_a_tunnel_that_carries_nothing_spoils_no_other_measurement(net, fault):
    one = net()
    one.lab.ip("server2", "link", *fault)
    failed = one.failed()
    assert "mtu.exact" in {check.name for check in failed}
    assert "mtu.underlay" not in {check.name for check in failed}
    assert not [check for check in failed if "packet agent" in str(check)]


def test_a_server_that_may_not_catch_packets_is_named_and_no_path_is_blamed(net):
    one = net()
    space = one.spaces["server2"]
    drop = ("setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw")
    shell = LocalShell("server2", prefix=("ip", "netns", "exec", space, *drop))
    one.hosts["server2"].connections["shell"] = SimpleNamespace(connection=shell)
    one.hosts["server2"].connections["netlink"] = SimpleNamespace(
        connection=one.lab.endpoint("server2")
    )
    failed = one.failed()
    assert {check.name for check in failed} >= {"mtu.underlay", "reach.tunnel"}
    for check in failed:
        assert "'server2' cannot catch packets on 'u0': Operation not permitted" in str(check)

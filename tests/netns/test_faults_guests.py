"""Faults of a guest's own network, made by hand: found, named, mended by the printed fix."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace

import pytest
from nornir.core.inventory import Defaults, Host

from farswitch.connections.shell.local import LocalShell
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest, Server
from farswitch.model.settings import Settings
from farswitch.proof.check import Check
from farswitch.proof.context import Context
from tasks.checks.guest import identity, network, queues
from tests.netns.inside import NetnsEndpoint
from tests.netns.wires import pid, reaches, sh
from tests.proving import checks_of

pytestmark = pytest.mark.root
SSH = """#!/bin/sh
# What `ssh -F FILE -l root GUEST LINE` does, in the namespaces of the test.
shift 4; name=$1; shift
exec nsenter --target="$(cat "{folder}/$name")" --net --mount -- sh -c "$*"
"""
NAMES = ("node1", "node2", "node3")
PEER, MAC = "10.0.0.13", "02:fa:00:00:00:2a"
"""The address of node3, and the MAC of node2."""
OWN = "10.0.0.0/24 dev data0 proto kernel scope link src 10.0.0.11"


@dataclass
class Guests:
    """Three guests on one wire a network, each a namespace."""

    context: Context
    boxes: dict[str, LocalShell]
    folder: Path

    @property
    def cluster(self) -> Cluster:
        return self.context.cluster

    def checks(self, probe=network.PROBE) -> dict[str, Check]:
        return {check.host: check for check in checks_of(self.context, probe)}

    def failed(self, probe=network.PROBE) -> dict[str, Check]:
        return {name: one for name, one in self.checks(probe).items() if not one.ok}

    def follow(self, fix: str) -> None:
        """Do what a fix says, word for word."""
        path = f"{self.folder}:{os.environ['PATH']}"
        subprocess.run(["sh", "-c", fix], env={"PATH": path}, check=True, timeout=30)

    def ping(self, name: str = "node1", address: str = PEER) -> bool:
        return reaches(self.boxes[name], address)


@pytest.fixture
def guests(boxes, tmp_path) -> Guests:
    settings = Settings(cluster="t")
    one = Server("server1", "hypervisor", "server1", ip_address("198.51.100.11"))
    two = Server("server2", "switch", "server2", ip_address("198.51.100.12"))
    nodes = tuple(Guest(name, at, "server1", settings) for at, name in enumerate(NAMES, start=1))
    wires, made, hosts = boxes(), {name: boxes() for name in NAMES}, {}
    sh(wires, "for name in data mgmt; do ip link add $name type bridge; ip link set $name up; done")
    for node in nodes:
        box = made[node.name]
        (tmp_path / node.name).write_text(pid(box))
        for nic, bridge, mac, address in (
            ("data0", "data", node.data_mac, node.data_address),
            ("mgmt0", "mgmt", node.management_mac, node.management_address),
        ):
            port = f"{bridge}{node.index}"
            sh(wires, f"ip link add {port} type veth peer name {nic} netns {pid(box)}; "
                      f"ip link set {port} master {bridge} up")  # fmt: skip
            sh(box, f"ip link set {nic} address {mac} up; "
                    f"ip addr add {address} broadcast + dev {nic}")  # fmt: skip
        sh(box, "echo mpi:x:2000:2000::/:/bin/sh >>/etc/passwd")
        own = f'hostname {node.name}; mount -t sysfs none /sys; exec "$@"'
        named = ("unshare", "--uts", "--mount", "sh", "-c", own, "sh")
        hosts[node.name] = Host(node.name, data={"guest": node}, defaults=Defaults())
        endpoint = NetnsEndpoint(node.name, f"/proc/{pid(box)}/ns/net")
        hosts[node.name].connections["netlink"] = SimpleNamespace(connection=endpoint)
        shell = LocalShell(node.name, prefix=(*box.prefix, *named))
        hosts[node.name].connections["shell"] = SimpleNamespace(connection=shell)
    (tmp_path / "ssh").write_text(SSH.format(folder=tmp_path))
    (tmp_path / "ssh").chmod(0o755)
    cluster = Cluster(settings, (one,), two, nodes)
    return Guests(Context(cluster, None, 1500, hosts, tmp_path / "cfg", "true"), made, tmp_path)


FAULTS = {
    "permanent-neighbour": (
        f"ip neigh replace {PEER} lladdr {MAC} dev data0 nud permanent",
        [f"neighbour '{PEER} lladdr {MAC} PERMANENT' is not node3, which has 02:fa:00:00:00:2b"],
    ),
    "noarp-neighbour": (
        f"ip neigh replace {PEER} lladdr 02:00:00:00:00:99 dev data0 nud noarp", ["NOARP"],
    ),
    "host-route-over-management": (
        f"ip route add {PEER}/32 via 10.10.0.1 dev mgmt0",
        [f"route '{PEER} via 10.10.0.1 dev mgmt0'"],
    ),
    "half-of-the-network": ("ip route add 10.0.0.0/28 dev mgmt0", ["'10.0.0.0/28 dev mgmt0"]),
    "blackhole": (f"ip route add blackhole {PEER}", [f"route 'blackhole {PEER}'"]),
    "unreachable-before-it": (
        f"ip route del {OWN}; ip route add unreachable 10.0.0.0/24; ip route add {OWN} metric 5",
        ["route 'unreachable 10.0.0.0/24'"],
    ),
    "prohibit-in-the-local-table": (
        "ip route add prohibit 10.0.0.0/8 table local", ["route 'prohibit 10.0.0.0/8 table local'"],
    ),
    "two-ways": (
        f"ip route add {PEER} nexthop via 10.10.0.1 dev mgmt0 nexthop via 10.10.0.2 dev mgmt0",
        [f"route '{PEER}"],
    ),
    "nexthop-object": (
        f"ip nexthop add id 5 via 10.10.0.1 dev mgmt0; ip route add {PEER} nhid 5", ["nhid 5"],
    ),
    "wrapped": (f"ip route add {PEER} encap ip id 5 dst 10.10.0.1 dev mgmt0", ["encap ip id 5"]),
    "local-route-to-a-peer": (f"ip route add local {PEER} dev lo", [f"route 'local {PEER} dev lo"]),
    "address-of-a-peer": (f"ip addr add {PEER}/32 dev lo", [f"'lo' has {PEER}/32"]),
    "network-on-management": (
        "ip addr add 10.0.0.99/24 dev mgmt0; ip route del 10.0.0.0/24 dev data0",
        ["'mgmt0' has 10.0.0.99/24", "no route '10.0.0.0/24 dev data0"],
    ),
    "no-route": ("ip route del 10.0.0.0/24", ["no route '10.0.0.0/24 dev data0 proto kernel"]),
    "rule-and-table": (
        "ip rule add pref 9 from 10.0.0.0/8 lookup 9; ip route add default via 10.10.0.1 table 9",
        ["rule '9: from 10.0.0.0/8 lookup 9' leads to 'default via 10.10.0.1 dev mgmt0"],
    ),
    "rule-blackhole": (f"ip rule add pref 9 to {PEER} blackhole", [f"rule '9: from all to {PEER}"]),
    "rule-twice": (
        f"ip rule add pref 9 to {PEER} blackhole; ip rule add pref 9 ipproto tcp prohibit",
        ["blackhole", "ipproto tcp prohibit"],
    ),
    "rule-not": ("ip rule add pref 9 not from 10.9.0.0/16 unreachable", ["rule '9: not from"]),
    "rule-goto": ("ip rule add pref 9 to 10.0.0.0/24 goto 32767", ["goto 32767"]),
    "rule-by-port-and-user": (
        "ip rule add pref 9 ipproto tcp dport 20000-21999 uidrange 2000-2000 prohibit", ["9: from"],
    ),
    "main-not-asked": ("ip rule del pref 32766", ["no rule looks up table main"]),
    "no-arp": ("ip link set data0 arp off", ["data0 has NOARP"]),
    "in-a-bridge": (
        "ip link add br0 type bridge; ip link set br0 up; ip link set data0 master br0",
        ["data0 is in 'br0'"],
    ),
    "ipsec": (
        f"ip xfrm policy add src 10.0.0.11 dst {PEER} dir out action block",
        [f"IPsec policy 'src 10.0.0.11/32 dst {PEER}/32 dir out action block"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "words"), FAULTS.values(), ids=FAULTS)
def test_fault_of_the_data_network_is_named_and_mended_by_its_fix(guests, spoil, words):
    assert guests.failed() == {}
    assert guests.ping()
    sh(guests.boxes["node1"], spoil)
    failed = guests.failed()
    assert failed.keys() == {"node1"}
    assert [word for word in words if word not in failed["node1"].measured] == []
    assert failed["node1"].cause
    guests.follow(failed["node1"].fix)
    assert guests.failed() == {}
    assert guests.ping()


SILENT = {
    "no-ping": ("sysctl -q -w net.ipv4.icmp_echo_ignore_all=1", "icmp_echo_ignore_all = 1"),
    "no-arp-all": ("sysctl -q -w net.ipv4.conf.all.arp_ignore=8", "conf.all.arp_ignore = 8"),
    "no-arp": ("sysctl -q -w net.ipv4.conf.data0.arp_ignore=8", "conf.data0.arp_ignore = 8"),
}


@pytest.mark.parametrize(("spoil", "words"), SILENT.values(), ids=SILENT)
def test_guest_that_answers_nobody_is_the_one_that_is_blamed(guests, spoil, words):
    sh(guests.boxes["node3"], spoil)
    assert not guests.ping()
    failed = guests.failed()
    assert failed.keys() == {"node3"}
    assert words in failed["node3"].measured
    guests.follow(failed["node3"].fix)
    assert guests.failed() == {}
    assert guests.ping()


STEALS = {
    "second-address": f"ip addr add {PEER}/24 dev data0",
    "address-beside": f"ip addr add {PEER}/32 dev lo",
}


@pytest.mark.parametrize("steal", STEALS.values(), ids=STEALS)
def test_guest_that_answers_for_another_is_named_where_it_was_believed(guests, steal):
    sh(guests.boxes["node3"], "ip link set data0 down")
    sh(guests.boxes["node2"], steal)
    assert guests.ping()
    sh(guests.boxes["node3"], "ip link set data0 up")
    failed = guests.failed()
    assert f"is not node3, which has {guests.cluster.guests[2].data_mac}" in (
        failed["node1"].measured
    )
    assert "'node2' with that MAC has answered for node3" in failed["node1"].cause
    guilty = guests.failed(identity.PROBE) | failed
    assert f"has {PEER}/" in guilty["node2"].measured
    for name in ("node2", "node1"):
        guests.follow(guilty[name].fix)
    assert guests.ping()
    assert guests.failed() == {}


def test_guest_that_answers_for_all_its_peers_is_named(guests):
    sh(guests.boxes["node2"], "for name in forwarding proxy_arp_pvlan; do "
       "echo 1 >/proc/sys/net/ipv4/conf/data0/$name; done")  # fmt: skip
    guests.ping()
    failed = guests.failed()
    assert "net.ipv4.conf.data0.proxy_arp_pvlan = 1" in failed["node2"].measured
    for name in ("node2", *(failed.keys() - {"node2"})):
        guests.follow(failed[name].fix)
    assert guests.ping()
    assert guests.failed() == {}


HARMLESS = {
    "right-neighbour-by-hand": f"ip neigh replace {PEER} lladdr 02:fa:00:00:00:2b dev data0 "
    "nud permanent",
    "routes-elsewhere": "ip route add 10.20.0.0/16 via 10.10.0.1; "
    "ip route add blackhole 10.0.0.0/8",
    "management-by-policy": "ip rule add pref 50 from 10.10.0.11 lookup 50; "
    "ip route add default via 10.10.0.1 table 50; ip rule add pref 51 iif mgmt0 blackhole",
    "rule-without-a-route": "ip rule add pref 60 lookup 60",
    "vpn-after-main": "ip rule add pref 70 lookup main suppress_prefixlength 0; "
    "ip rule add pref 80 not fwmark 1 lookup 80; ip route add default dev mgmt0 table 80",
    "strict": "for name in all data0; do echo 1 >/proc/sys/net/ipv4/conf/$name/rp_filter; "
    "echo 1 >/proc/sys/net/ipv4/conf/$name/arp_filter; "
    "echo 1 >/proc/sys/net/ipv4/conf/$name/arp_ignore; done",
    "address-of-another-network": "ip addr add 10.5.0.1/24 dev lo",
    "ipsec-elsewhere": "ip xfrm policy add src 10.10.0.11 dst 10.10.0.1 dir out action block",
    "silent-peer": "ip neigh replace 10.0.0.99 lladdr 02:00:00:00:00:01 dev data0",
}  # fmt: skip


@pytest.mark.parametrize("made", HARMLESS.values(), ids=HARMLESS)
def test_what_does_not_touch_the_data_network_is_no_fault(guests, made):
    sh(guests.boxes["node1"], made)
    assert guests.ping()
    assert guests.failed() == {}


def test_nic_of_another_name_is_named_back(guests):
    sh(guests.boxes["node1"], "ip link set data0 down; ip link set data0 name eth7")
    assert "no interface data0" in guests.failed()["node1"].measured
    fault = guests.failed(identity.PROBE)["node1"]
    assert "no interface data0, 'eth7' has its MAC" in fault.measured
    guests.follow(fault.fix)
    assert guests.failed(identity.PROBE) == guests.failed() == {}
    assert guests.ping()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        pytest.param("ip link set data0 down", "data0 is down", id="down"),
        pytest.param("ip link set data0 address 02:00:00:00:00:77", "has MAC 02:00:00:00:00:77",
                     id="mac"),
        pytest.param("ip addr del 10.0.0.11/24 dev data0; "
                     "ip link add data1 type veth peer name far; ip link set data1 up; "
                     "ip link set far up; ip addr add 10.0.0.11/24 dev data1",
                     "lacks 10.0.0.11/24", id="address-moved"),
    ],
)  # fmt: skip
def test_nic_that_was_changed_is_mended_by_the_fixes_in_their_order(guests, spoil, words):
    sh(guests.boxes["node1"], spoil)
    fault = guests.failed(identity.PROBE)["node1"]
    assert words in fault.measured
    for check in (fault, *guests.failed().values()):
        guests.follow(check.fix)
    assert guests.failed(identity.PROBE) == guests.failed() == {}
    assert guests.ping()


QUEUES = {
    "shaped": ("tc qdisc add dev data0 root tbf rate 5mbit burst 16kb latency 50ms", ["'tbf' ("]),
    "swallowed": ("tc qdisc add dev data0 root blackhole", ["'blackhole' ("]),
    "hook-and-shaped": (
        "tc qdisc add dev data0 clsact; tc qdisc add dev data0 root handle 7: htb default 0",
        ["a 'clsact' for filters", "'htb' (7:)"],
    ),
}


@pytest.mark.parametrize(("spoil", "words"), QUEUES.values(), ids=QUEUES)
def test_queueing_discipline_of_a_guest_is_named_and_taken_away(guests, spoil, words):
    assert guests.failed(queues.PROBE) == {}
    sh(guests.boxes["node2"], f"{spoil}; tc qdisc add dev mgmt0 root pfifo limit 1")
    failed = guests.failed(queues.PROBE)
    assert failed.keys() == {"node2"}
    assert [word for word in words if word not in failed["node2"].measured] == []
    guests.follow(failed["node2"].fix)
    assert guests.failed(queues.PROBE) == {}
    assert guests.ping("node2")

"""Two servers, a third host and two guests as namespaces, with real tunnels and bridges."""

import json
from dataclasses import dataclass
from ipaddress import ip_address

from farswitch.connections.shell.local import LocalShell
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest, Server
from farswitch.model.settings import Settings
from tests.netns.converged import guard

_FORGE = """
import socket, sys
source, target, vni = sys.argv[1], sys.argv[2], int(sys.argv[3])
inner = bytes.fromhex("ffffffffffff 020000000099 88b5") + bytes(46)
packet = bytes.fromhex("08000000") + (vni << 8).to_bytes(4, "big") + inner
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.bind((source, 0))
for _ in range(5):
    sender.sendto(packet, (target, 4789))
"""
_PING = """
import socket, sys, time
target, source = sys.argv[1:3]
sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
sender.bind((source, 0))
end = time.monotonic() + 3
while time.monotonic() < end:
    sender.sendto(bytes.fromhex("0800f7fe00000001"), (target, 0))
    sender.settimeout(0.3)
    try:
        while True:
            answer, (who, _) = sender.recvfrom(2048)
            if who == target and answer[20] == 0:
                sys.exit(0)
    except TimeoutError:
        pass
sys.exit(1)
"""


def sh(box, script):
    return box.run(("sh", "-ec", script)).stdout


def pid(box):
    return box.prefix[1].partition("=")[2]


@dataclass
class Net:
    cluster: Cluster
    one: LocalShell
    two: LocalShell
    third: LocalShell
    guests: list[LocalShell]

    def guard(self):
        for box, name in ((self.one, "server1"), (self.two, "server2")):
            guard(box, self.cluster, self.cluster.server(name), "u0")

    def forged(self, sender, source, target, at, vni=41):
        """Return how many of five forged frames the tunnel at `at` took in."""
        before = received(at)
        sender.run(("python3", "-c", _FORGE, source, target, str(vni)))
        reaches(sender, target, source)  # they are through by then
        return received(at) - before


def received(box):
    """Return how many of our frames the tunnel gave to its bridge, before any rule."""
    listed = box.run(("nft", "-j", "list", "counter", "bridge", "count", "forged")).stdout
    return json.loads(listed)["nftables"][-1]["counter"]["packets"]


def wired(boxes):
    """Make them, unguarded; `boxes` makes a namespace."""
    settings = Settings(cluster="lab")
    servers = [
        Server("server1", "hypervisor", "h1", ip_address("10.99.1.1")),
        Server("server2", "switch", "h2", ip_address("10.99.1.2")),
    ]
    nodes = tuple(Guest(f"node{i}", i, "server1", settings) for i in (1, 2))
    cluster = Cluster(settings, (servers[0],), servers[1], nodes)
    wire, one, two, third = (boxes() for _ in range(4))
    guests = [boxes(), boxes()]
    for box in (wire, one, two, third, *guests):  # no frames but the test's own
        sh(box, "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6")
    sh(wire, "ip link add w type bridge; ip link set w up")
    for at, box in enumerate((one, two, third), start=1):
        sh(wire, f"ip link add p{at} type veth peer name u0 netns {pid(box)}; "
                 f"ip link set p{at} master w up")  # fmt: skip
        sh(box, f"ip addr add 10.99.1.{at}/24 dev u0; ip link set u0 up")
    sh(two, "ip link add fss41 type bridge; ip link set fss41 up")
    sh(one, "ip link add fsg41 type bridge; ip addr add 10.10.0.1/24 dev fsg41; "
            "ip link set fsg41 up; echo 1 >/proc/sys/net/ipv4/ip_forward")  # fmt: skip
    for node, box in zip(nodes, guests, strict=True):
        tunnel = f"type vxlan id {node.vni} dstport 4789 nolearning dev u0"
        sh(one, f"ip link add {node.bridge} type bridge; ip link set {node.bridge} up")
        for here, far, bridge in ((one, 2, node.bridge), (two, 1, "fss41")):
            sh(here, f"ip link add {node.tunnel} {tunnel} remote 10.99.1.{far}; "
                     f"ip link set {node.tunnel} master {bridge} up")  # fmt: skip
        for tap, name, bridge, mac, address in (
            (node.data_tap, "data0", node.bridge, node.data_mac, node.data_address),
            (node.management_tap, "mgmt0", "fsg41", node.management_mac, node.management_address),
        ):
            sh(one, f"ip link add {tap} type veth peer name {name} netns {pid(box)}; "
                    f"ip link set {tap} master {bridge} up")  # fmt: skip
            sh(box, f"ip link set {name} address {mac} up; ip addr add {address} dev {name}")
        sh(one, f"ip link set {node.management_tap} type bridge_slave isolated on")
        sh(box, "ip route add default via 10.10.0.1")
    for box in (one, two):
        chain = "{ type filter hook prerouting priority -500; }"
        rule = "iifname fsv41 ether type 0x88b5 counter name forged"
        sh(box, f"nft add table bridge count; nft add counter bridge count forged; "
                f"nft add chain bridge count c '{chain}'; "
                f"nft add rule bridge count c {rule}")  # fmt: skip
    return Net(cluster, one, two, third, guests)


def reaches(box, target, source="0.0.0.0"):
    argv = ("python3", "-c", _PING, str(target), source)
    return box.run(argv, check=False).status == 0

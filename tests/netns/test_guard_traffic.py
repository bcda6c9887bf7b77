"""What packets do with and without the guard: five namespaces, real tunnels, forged frames."""

import json
from dataclasses import dataclass
from ipaddress import ip_address

import pytest

from connections.local import LocalShell
from inventory.model import Cluster, Guest, Server, Settings
from tasks.firewall_reset import converge as firewall
from tasks.guard import converge as guard

pytestmark = pytest.mark.root
COUNT = 5
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


@pytest.fixture
def net(boxes):
    settings = Settings("lab")
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


def test_third_host_is_kept_out_of_both_ends(net):
    assert net.forged(net.third, "10.99.1.3", "10.99.1.1", net.one) == COUNT
    assert net.forged(net.third, "10.99.1.3", "10.99.1.2", net.two) == COUNT
    net.guard()
    assert net.forged(net.third, "10.99.1.3", "10.99.1.1", net.one) == 0
    assert net.forged(net.third, "10.99.1.3", "10.99.1.2", net.two) == 0
    assert net.forged(net.two, "10.99.1.2", "10.99.1.1", net.one) == COUNT


def test_guest_is_kept_out_of_its_servers_tunnels(net):
    guest = net.guests[1]
    address = str(net.cluster.guests[1].management_address.ip)
    sh(guest, "ip addr add 10.99.1.2/32 dev mgmt0")
    assert net.forged(guest, address, "10.10.0.1", net.one) == COUNT
    assert net.forged(guest, "10.99.1.2", "10.10.0.1", net.one) == COUNT
    net.guard()
    assert net.forged(guest, address, "10.10.0.1", net.one) == 0
    assert net.forged(guest, "10.99.1.2", "10.10.0.1", net.one) == 0


def test_guest_is_kept_out_of_the_switch_behind_masquerade(net):
    chain = "{ type nat hook postrouting priority 100; }"
    sh(net.one, f"nft add table ip n; nft add chain ip n c '{chain}'; "
                "nft add rule ip n c oifname u0 masquerade")  # fmt: skip
    guest = net.guests[1]
    address = str(net.cluster.guests[1].management_address.ip)
    guard(net.two, net.cluster, net.cluster.switch, "u0")
    assert net.forged(guest, address, "10.99.1.2", net.two) == COUNT
    net.guard()
    assert net.forged(guest, address, "10.99.1.2", net.two) == 0
    assert reaches(guest, "10.99.1.3"), "the rest of the way out stays open"


def test_guest_of_another_cluster_is_kept_out_too(net):
    """Its packets come in by a bridge that our guard does not name."""
    chain = "{ type nat hook postrouting priority 100; }"
    sh(net.one, f"nft add table ip n; nft add chain ip n c '{chain}'; "
                "nft add rule ip n c oifname u0 masquerade")  # fmt: skip
    net.guard()
    sh(net.one, "ip link set fsm42 nomaster; ip addr add 10.20.0.1/24 dev fsm42")
    sh(net.one, "ip link set fsm42 down; ip link set fsm42 name other; ip link set other up")
    sh(net.guests[1], "ip addr add 10.20.0.2/24 dev mgmt0; "
                      "ip route replace default via 10.20.0.1")  # fmt: skip
    assert reaches(net.guests[1], "10.99.1.3")
    assert net.forged(net.guests[1], "10.20.0.2", "10.99.1.2", net.two) == 0


def test_guests_do_not_reach_each_other_over_management(net):
    guest, other = net.guests[0], net.cluster.guests[1].management_address.ip
    sh(guest, f"ip route add {other} via 10.10.0.1")
    sh(net.guests[1], "ip route add 10.10.0.11 via 10.10.0.1")
    assert reaches(guest, other), "by a route through the host, past the isolated ports"
    net.guard()
    assert not reaches(guest, other)
    sh(net.one, "ip link set fsm41 type bridge_slave isolated off; "
                "ip link set fsm42 type bridge_slave isolated off")  # fmt: skip
    sh(guest, f"ip route del {other}; ip neigh flush all")
    assert not reaches(guest, other)


def test_management_serves_the_host_and_not_the_guest(net):
    net.guard()
    guest = net.guests[0]
    assert reaches(net.one, "10.10.0.11")
    assert reaches(guest, "10.10.0.1")
    connect = "import socket; socket.create_connection(('{}', 7777), 1)"
    serve = (
        "import socket; s = socket.create_server(('', 7777)); print(end='on', flush=True); "
        "[s.accept() for _ in range(9)]"
    )
    for server, client, address, open_ in (
        (net.one, guest, "10.10.0.1", False),
        (guest, net.one, "10.10.0.11", True),
    ):
        process = server.start(("python3", "-c", serve))
        assert process.read(2) == b"on"
        done = client.run(("python3", "-c", connect.format(address)), check=False)
        process.close()
        assert (done.status == 0) == open_


def test_spoofed_sender_is_dropped(net):
    guest = net.guests[0]
    sh(guest, "ip addr add 10.10.0.99/24 dev mgmt0")
    assert reaches(guest, "10.10.0.1", "10.10.0.99")
    net.guard()
    assert reaches(guest, "10.10.0.1", "10.10.0.11")
    assert not reaches(guest, "10.10.0.1", "10.10.0.99")
    sh(guest, "ip link set mgmt0 address 02:00:00:00:00:77")
    assert not reaches(guest, "10.10.0.1", "10.10.0.11")


@pytest.mark.parametrize("call", [0, 1])
def test_guests_reach_each_other_through_the_switch(net, call):
    for box in (net.one, net.two):
        sh(box, f"echo {call} >/proc/sys/net/bridge/bridge-nf-call-iptables")
    other = net.cluster.guests[1].data_address.ip
    assert reaches(net.guests[0], other)
    net.guard()
    assert reaches(net.guests[0], other)
    sh(net.two, "ip link set fss41 down")
    assert not reaches(net.guests[0], other)


def test_narrow_opens_a_closed_server_for_the_peer_only(net):
    hostile = (
        "for t in iptables-nft iptables-legacy; do $t -P INPUT DROP; $t -P OUTPUT DROP; done; "
    )
    hostile += "ebtables-nft -P FORWARD DROP; nft add table inet x; nft add chain inet x in "
    hostile += "'{ type filter hook input priority 10; policy drop; }'"
    cluster = net.cluster
    narrow = Cluster(
        Settings("lab", firewall="narrow"), cluster.hypervisors, cluster.switch, cluster.guests
    )
    other = cluster.guests[1].data_address.ip
    for box in (net.one, net.two):
        for key in ("iptables", "arptables", "ip6tables"):
            sh(box, f"echo 0 >/proc/sys/net/bridge/bridge-nf-call-{key}")
        sh(box, hostile)
    net.guard()
    assert not reaches(net.guests[0], other)
    for box, name in ((net.one, "server1"), (net.two, "server2")):
        assert firewall(box, narrow, narrow.server(name), device="u0").changes
        assert firewall(box, narrow, narrow.server(name), device="u0").changes == ()
    assert reaches(net.guests[0], other)
    assert net.forged(net.third, "10.99.1.3", "10.99.1.1", net.one) == 0
    for box, name in ((net.one, "server1"), (net.two, "server2")):
        firewall(box, narrow, narrow.server(name), device="u0", present=False)
    assert not reaches(net.guests[0], other)

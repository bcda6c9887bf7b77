"""What packets do with and without the guard: five namespaces, real tunnels, forged frames."""

from dataclasses import replace

import pytest

from farswitch.model.cluster import Cluster
from farswitch.model.settings import Settings
from tests.netns.converged import firewall, guard
from tests.netns.wires import reaches, sh

pytestmark = pytest.mark.root
COUNT = 5


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
    assert not reaches(guest, "10.99.1.3")
    settings = net.cluster.settings.model_copy(update={"management_forwarding": True})
    net.cluster = replace(net.cluster, settings=settings)
    net.guard()
    assert net.forged(guest, address, "10.99.1.2", net.two) == 0
    assert reaches(guest, "10.99.1.3"), "the rest of the way out, where the site wants it"


def test_no_host_of_the_servers_networks_reaches_a_guest_over_management(net):
    guest = net.cluster.guests[0].management_address.ip
    sh(net.third, "ip route add 10.10.0.0/24 via 10.99.1.1")
    assert reaches(net.third, guest)
    net.guard()
    assert not reaches(net.third, guest)
    assert reaches(net.one, guest)


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


@pytest.mark.parametrize(("server", "bridge"), [("one", "fsb41"), ("two", "fss41")])
def test_a_server_says_nothing_on_the_data_network(net, server, bridge):
    box, node = getattr(net, server), net.cluster.guests[0]
    address, mac = node.data_address.ip, node.data_mac
    sh(box, f"ip addr add 10.0.0.250/24 dev {bridge}; "
            f"ip neigh add {address} lladdr {mac} dev {bridge}")  # fmt: skip
    assert reaches(box, address)
    net.guard()
    taken = "grep data0 /proc/net/dev"
    before = sh(net.guests[0], taken)
    assert not reaches(box, address)
    assert sh(net.guests[0], taken) == before


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
        Settings(cluster="lab", firewall="narrow"),
        cluster.hypervisors,
        cluster.switch,
        cluster.guests,
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

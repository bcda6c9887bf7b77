"""The data NIC with and without `anti_spoof`: a guest's forged frames, real tunnels."""

import json
import struct
from dataclasses import replace

import pytest

from tests.netns.wires import reaches, sh

pytestmark = pytest.mark.root
COUNT = 5
_SEND = """
import socket, sys
sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
sender.bind(("data0", 0))
for _ in range(5):
    sender.send(bytes.fromhex(sys.argv[1]))
"""
OTHER_MAC, OTHER_ADDRESS = bytes.fromhex("020000000077"), bytes([10, 0, 0, 77])
EVERYBODY = b"\xff" * 6


def ip(source: bytes, sender: bytes) -> bytes:
    """Return a frame with an IPv4 packet of protocol 253 (RFC 3692: for experiments)."""
    start, end = bytes.fromhex("4500002e0000000040fd"), sender + bytes([10, 0, 0, 255])
    total = sum(struct.unpack(">9H", start + end))
    checksum = ~(total % 0xFFFF) & 0xFFFF  # RFC 1071: br_netfilter looks at it
    header = start + struct.pack(">H", checksum) + end
    return EVERYBODY + source + b"\x08\x00" + header + bytes(26)


def arp(source: bytes, mac: bytes, sender: bytes) -> bytes:
    asked = bytes.fromhex("0001080006040001") + mac + sender + bytes(6) + bytes([10, 0, 0, 1])
    return EVERYBODY + source + b"\x08\x06" + asked + bytes(18)


def test_a_guest_sends_under_its_own_addresses_alone_where_the_site_wants_it(net):
    guest, box = net.cluster.guests[0], net.guests[0]
    mac = bytes.fromhex(guest.data_mac.replace(":", ""))
    own, other = guest.data_address.ip.packed, net.cluster.guests[1].data_address.ip
    forged = {
        "another MAC": ip(OTHER_MAC, own),
        "another address": ip(mac, OTHER_ADDRESS),
        "ARP for another address": arp(mac, mac, OTHER_ADDRESS),
        "ARP for another MAC": arp(mac, OTHER_MAC, own),
        "neither IPv4 nor ARP": EVERYBODY + mac + b"\x88\xb5" + bytes(46),
        "its own, in a VLAN": EVERYBODY + mac + b"\x81\x00\x00\x05" + ip(mac, own)[12:],
    }
    good = {"its own": ip(mac, own), "ARP for its own": arp(mac, mac, own)}
    chain = "{ type filter hook prerouting priority -500; }"
    sh(net.two, f"nft add chain bridge count each '{chain}'; "
                "nft add rule bridge count each iifname fsv41 ether daddr "
                "ff:ff:ff:ff:ff:ff counter")  # fmt: skip

    def arrived(frame: bytes) -> int:
        before = seen(net)
        box.run(("python3", "-c", _SEND, frame.hex()))
        reaches(net.two, "10.99.1.1")  # they are through by then
        return seen(net) - before

    assert reaches(box, other)
    net.guard()
    for name, frame in {**forged, **good}.items():
        assert arrived(frame) == COUNT, f"{name}, without the setting"
    net.cluster = replace(
        net.cluster, settings=net.cluster.settings.model_copy(update={"anti_spoof": True})
    )
    net.guard()
    for name, frame in forged.items():
        assert arrived(frame) == 0, name
    for name, frame in good.items():
        assert arrived(frame) == COUNT, name
    sh(box, "ip neigh flush all")
    assert reaches(box, other)


def seen(net) -> int:
    """Return the broadcasts, as ours are, that left the first guest's tunnel at the switch."""
    listed = net.two.run(("nft", "-j", "list", "chain", "bridge", "count", "each")).stdout
    rule = json.loads(listed)["nftables"][-1]["rule"]
    return next(one["counter"]["packets"] for one in rule["expr"] if "counter" in one)

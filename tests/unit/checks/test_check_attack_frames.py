"""What the attackers send, taken apart again by other means than it was made."""

import struct
from ipaddress import ip_address, ip_interface

import pytest

from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest, Server
from farswitch.model.settings import Settings
from farswitch.proof.frames import link_local, payload, vxlan
from farswitch.remote.frame_counter import OFFSETS, FrameCounts, program
from farswitch.remote.frame_sender import numbered
from tasks.checks.attack.forged_tunnels import outside_streams
from tasks.checks.attack.from_guest import guest_streams
from tasks.checks.attack.kinds import ROUNDS, Kind, Outside, ServerAddresses, attack_pairs

TOKEN = bytes.fromhex("0badf00dcafe1234")
GATEWAY, SWITCH = "02:00:00:00:00:01", "02:00:00:00:00:02"


def servers(*, v6=False, homes=("server1",) * 3):
    first, last = ("fd00::11", "fd00::12") if v6 else ("203.0.113.11", "203.0.113.12")
    settings = Settings(cluster="lab")
    hypervisors = tuple(
        Server(name, "hypervisor", name, ip_address(first) + number)
        for number, name in enumerate(sorted(set(homes)))
    )
    switch = Server("far", "switch", "far", ip_address(last) + 9)
    guests = tuple(Guest(f"node{at}", at, home, settings) for at, home in enumerate(homes, start=1))
    cluster = Cluster(settings, hypervisors, switch, guests)
    names = [server.name for server in cluster.servers]
    gateways = {server.name: GATEWAY for server in hypervisors}
    return ServerAddresses(
        cluster, dict.fromkeys(names, "u0"), dict.fromkeys(names, SWITCH), gateways
    )


def sum16(data):
    """RFC 1071: what is right adds up to all ones."""
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def check_ip(packet):
    """Check the sums of an IP packet, and of a frame in a tunnel within it."""
    if packet[0] >> 4 == 4:
        assert sum16(packet[:20]) == 0xFFFF
        (length,) = struct.unpack("!H", packet[2:4])
        protocol, ends, body = packet[9], packet[12:20], packet[20:length]
    else:
        (length,) = struct.unpack("!H", packet[4:6])
        protocol, ends, body = packet[6], packet[8:40], packet[40 : 40 + length]
    if protocol == 17:
        assert struct.unpack("!H", body[4:6])[0] == len(body)
        assert sum16(ends + struct.pack("!II", len(body), 17) + body) == 0xFFFF
        assert body[8:12] == bytes.fromhex("08000000")
        check_frame(body[16:])
    elif protocol == 58:
        assert sum16(ends + struct.pack("!II", len(body), 58) + body) == 0xFFFF
    else:
        assert protocol == 1
        assert sum16(body) == 0xFFFF


def check_frame(frame):
    assert len(frame) >= 60
    kind = frame[12:14].hex()
    if kind == "0806":
        assert frame[14:22].hex() == "0001080006040001"
    else:
        assert kind == {4: "0800", 6: "86dd"}[frame[14] >> 4]
        check_ip(frame[14:])


def everything(ground_):
    outside = Outside("u0", "02:00:00:00:00:77", ground_.cluster.switch.underlay + 1)
    found = [one for opponents in attack_pairs(ground_.cluster.guests)
             for one in guest_streams(ground_, opponents, TOKEN)]  # fmt: skip
    return found + list(outside_streams(ground_, outside, TOKEN))


@pytest.mark.parametrize("v6", [False, True])
@pytest.mark.parametrize("number", [0, 1, 99, 0xFFFF])
def test_every_frame_is_right_to_the_last_sum_whatever_its_number(v6, number):
    streams = everything(servers(v6=v6))
    for stream in streams:
        assert len(set(stream.frames)) == len(stream.frames)
        for frame in stream.frames:
            check_frame(numbered(frame, TOKEN, number))
    assert len(streams) == 3 * (len(Kind) - 1) + 2


def accepted(code, frame):
    """Run the listener's BPF program as the kernel does; return whether the frame is let in."""
    steps = [struct.unpack("HBBI", code[at : at + 8]) for at in range(0, len(code), 8)]
    at, value = 0, 0
    while True:
        op, yes, no, k = steps[at]
        at += 1
        if op == 0x06:
            return k > 0
        if op == 0x15:
            at += yes if value == k else no
        else:
            size = {0x20: 4, 0x28: 2}[op]
            if k + size > len(frame):
                return False
            value = int.from_bytes(frame[k : k + size], "big")


@pytest.mark.parametrize("v6", [False, True])
def test_the_listener_hears_every_frame_and_knows_whose_it_is(v6):
    code = program(TOKEN)
    place = servers(v6=v6)
    for stream in everything(place):
        counts = FrameCounts(TOKEN)
        for number, frame in enumerate(stream.frames):
            sent = numbered(frame, TOKEN, number)
            assert accepted(code, sent)
            assert sent.index(TOKEN) in OFFSETS
            counts.take("nic", sent)
        assert sum(counts.frames.values()) == (1 << len(stream.frames)) - 1
        assert {(*key[:2], *key[3:]) for key in counts.frames} == {("nic", "in", *stream.label)}
        wrapped = {Kind.VNI_DIRECT, Kind.VNI_NAT, Kind.THIRD_HOST}
        vnis = {vni for _, _, vni, _, _ in counts.frames}
        if stream.label.kind in wrapped:
            assert vnis <= {guest.vni for guest in place.cluster.guests}
        else:
            assert vnis == {None}


@pytest.mark.parametrize("v6", [False, True])
def test_the_listener_hears_also_where_an_interface_has_no_ethernet(v6):
    for stream in everything(servers(v6=v6)):
        for frame in stream.frames:
            assert accepted(program(TOKEN), frame[14:])
            assert frame[14:].index(TOKEN) in OFFSETS


@pytest.mark.parametrize("at", [41, 43, 61, 93, 113, 200])
def test_the_listener_lets_go_what_bears_the_token_nowhere_that_counts(at):
    frame = bytes(12) + b"\x08\x00" + bytes(300)
    frame = frame[:at] + TOKEN + frame[at:]
    assert not accepted(program(TOKEN), frame)


def test_the_listener_counts_answers_to_arp_by_who_answers():
    counts = FrameCounts(TOKEN)
    answer = bytes(12) + bytes.fromhex("0806 0001080006040002 02aa00000001 0a0a000c") + bytes(28)
    question = answer.replace(bytes.fromhex("06040002"), bytes.fromhex("06040001"))
    for frame in (answer, answer, question, b"", bytes(60)):
        counts.take("mgmt0", frame)
    assert accepted(program(TOKEN), answer)
    assert counts.answers == {("mgmt0", "10.10.0.12"): 2}
    assert counts.frames == {}


def test_a_frame_cut_after_the_token_is_no_frame_of_ours():
    counts = FrameCounts(TOKEN)
    counts.take("nic", bytes(42) + TOKEN + b"\x00\x03")
    assert counts.frames == {}


def test_what_is_spoofed_is_the_victims_and_never_the_attackers():
    place = servers()
    for opponents in attack_pairs(place.cluster.guests):
        own = bytes.fromhex(opponents.attacker.management_mac.replace(":", ""))
        streams = {one.label.kind: one for one in guest_streams(place, opponents, TOKEN)}
        assert all(frame[6:12] != own for frame in streams[Kind.SPOOF_MAC].frames)
        mine = opponents.attacker.management_address.ip.packed
        for frame in streams[Kind.SPOOF_ADDRESS].frames:
            assert frame[6:12] == own
            assert mine not in frame[26:32]


def test_tunnels_bear_the_victims_vni_and_reach_each_address_of_the_way():
    place = servers()
    opponents = attack_pairs(place.cluster.guests)[0]
    streams = {one.label.kind: one for one in guest_streams(place, opponents, TOKEN)}
    found = {
        kind: {(str(ip_address(f[26:30])), str(ip_address(f[30:34])), f[46:49].hex())
               for f in streams[kind].frames}
        for kind in (Kind.VNI_DIRECT, Kind.VNI_NAT)
    }  # fmt: skip
    vni = f"{opponents.victim.vni:06x}"
    near, far = "10.10.0.11", "203.0.113.21"
    assert found[Kind.VNI_NAT] == {(near, far, vni)}
    assert found[Kind.VNI_DIRECT] == {
        (source, target, vni) for source in (near, far) for target in ("10.10.0.1", "203.0.113.11")
    }


def test_the_third_host_tries_each_tunnel_of_each_server_at_least_once():
    homes = ("server1",) * 60 + ("server2",)
    place = servers(homes=homes)
    outside = Outside("u0", "02:00:00:00:00:77", ip_address("203.0.113.99"))
    one, two, switch = outside_streams(place, outside, TOKEN)
    assert (one.count, two.count, switch.count) == (120, ROUNDS, 122)
    vnis = {frame[46:49] for frame in switch.frames[: switch.count]}
    assert vnis == {guest.vni.to_bytes(3, "big") for guest in place.cluster.guests}


@pytest.mark.parametrize(
    ("homes", "victims"),
    [
        (("a", "a"), ["node2", "node1"]),
        (("a", "a", "a"), ["node2", "node3", "node1"]),
        (("a", "b", "a", "b"), ["node3", "node4", "node1", "node2"]),
        (("a", "a", "b"), ["node2", "node1", "node1"]),
    ],
)
def test_each_guest_attacks_the_next_of_its_hypervisor(homes, victims):
    found = attack_pairs(servers(homes=homes).cluster.guests)
    assert [opponents.attacker.name for opponents in found] == [
        f"node{n + 1}" for n in range(len(homes))
    ]
    assert [opponents.victim.name for opponents in found] == victims


def test_link_local_address_is_as_the_kernel_makes_it():
    assert link_local("02:fa:01:00:00:29") == ip_address("fe80::fa:1ff:fe00:29")
    assert ip_interface("fe80::/64").network.supernet_of(
        ip_interface(f"{link_local('52:54:00:12:34:56')}/128").network
    )


def test_sums_that_come_out_as_zero_are_sent_as_all_ones():
    """RFC 768: zero means that there is none, which IPv6 does not take."""
    macs, ends = ("02:00:00:00:00:01",) * 2, (ip_address("::"), ip_address("::"))
    for filler in range(0x10000):
        body = filler.to_bytes(2, "big")
        frame = vxlan(macs, ends, 4789, 1, body)
        assert frame[60:62] != b"\0\0"
        if frame[60:62] == b"\xff\xff":
            return
    raise AssertionError("no sum came out as zero")


def test_payload_fits_into_the_padding_of_arp():
    assert len(payload(TOKEN, Kind.ARP, 1)) <= 60 - 42

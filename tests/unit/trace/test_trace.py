"""What is sent, at which hops it is counted, and which hop is blamed for what got lost."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest

from farswitch.model.cluster import Cluster
from farswitch.model.settings import Settings
from farswitch.proof.check import Check
from farswitch.proof.frame_counts import CountedFrames, FrameCount, ListenReport, SendReport
from farswitch.remote.frame_counter import FrameCounts, program
from farswitch.remote.frame_sender import numbered
from farswitch.trace.frame import KIND, LEAST, MOST, SENDER, TracedFrames
from farswitch.trace.hops import Trace, counted, hops
from farswitch.trace.judge import gap, judge
from tests.unit.checks.test_check_attack_frames import accepted, servers, sum16

TOKEN = bytes.fromhex("0badf00dcafe1234")
CLUSTER: Cluster = servers().cluster
ONE, TWO, THREE = CLUSTER.guests
FRAMES = TracedFrames()
DEVICES = {"server1": "u0", "far": "u1"}
WAY = hops(CLUSTER, ONE, THREE, DEVICES)
LAST = len(WAY) - 1


def trace(*counts: int | None, frames: TracedFrames = FRAMES, **more: str) -> Trace:
    """Return a trace: the counts of the first hops, and the last one of them for the rest."""
    rest = [*counts, *[counts[-1]] * (len(WAY) - len(counts))]
    way = tuple(replace(hop, count=count) for hop, count in zip(WAY, rest, strict=True))
    return Trace(frames, way, **more)


def verdict(found: Trace, *checks: Check) -> Check:
    return judge(CLUSTER, found, checks, mtu=1450, rebuild="build")


def failed(name: str, host: str, measured: str) -> Check:
    return Check(name, host, ok=False, measured=measured, expected="", cause="Why.", fix="mend")


def test_the_way_is_from_nic_to_nic_over_both_servers():
    assert [(hop.host, hop.what, hop.name, hop.way, hop.vni) for hop in WAY] == [
        ("node1", "NIC", "data0", "out", None),
        ("server1", "tap", "fsd41", "in", None),
        ("server1", "bridge", "fsb41", "through", None),
        ("server1", "tunnel", "fsv41", "out", None),
        ("server1", "underlay", "u0", "out", 41),
        ("far", "underlay", "u1", "in", 41),
        ("far", "port", "fsv41", "in", None),
        ("far", "switch", "fss41", "through", None),
        ("far", "port", "fsv43", "out", None),
        ("far", "underlay", "u1", "out", 43),
        ("server1", "underlay", "u0", "in", 43),
        ("server1", "tunnel", "fsv43", "in", None),
        ("server1", "bridge", "fsb43", "through", None),
        ("server1", "tap", "fsd43", "out", None),
        ("node3", "NIC", "data0", "in", None),
    ]


@pytest.mark.parametrize("number", [0, 1, 999])
@pytest.mark.parametrize("size", [LEAST, 100, 1450, MOST])
@pytest.mark.parametrize("tcp", [False, True])
def test_a_frame_has_the_size_that_is_asked_for_and_right_sums(tcp: bool, size: int, number: int):
    made = TracedFrames(size=size, tcp=tcp).frame(ONE, THREE, TOKEN)
    packet = numbered(made, TOKEN, number)[14:]
    (length,) = struct.unpack("!H", packet[2:4])
    assert length == size
    assert sum16(packet[:20]) == 0xFFFF
    body, ends = packet[20:length], packet[12:20]
    if not tcp:
        assert (packet[9], sum16(body)) == (1, 0xFFFF)
        return
    assert (packet[9], body[13]) == (6, 0x02)
    assert struct.unpack("!H", body[2:4])[0] == ONE.settings.mpi.payload_ports.first
    assert sum16(ends + struct.pack("!II", len(body), 6) + body) == 0xFFFF


@pytest.mark.parametrize("tcp", [False, True])
def test_the_counter_takes_it_and_within_a_tunnel_knows_which(tcp: bool):
    frame = numbered(TracedFrames(tcp=tcp).frame(ONE, THREE, TOKEN), TOKEN, 3)
    vxlan = bytes(12) + b"\x08\x00" + bytes(28) + struct.pack("!II", 0x08000000, 43 << 8) + frame
    far = bytes(12) + b"\x86\xdd" + bytes(48) + struct.pack("!II", 0x08000000, 43 << 8) + frame
    counts = FrameCounts(TOKEN)
    for name, one in (("a", frame), ("b", vxlan), ("c", far), ("d", vxlan[14:]), ("e", far[14:])):
        assert accepted(program(TOKEN), one)
        counts.take(name, one[:2048], "out")
    assert counts.frames == {
        (name, "out", vni, KIND, SENDER): 0b1000
        for name, vni in (("a", None), ("b", 43), ("c", 43), ("d", 43), ("e", 43))
    }


def heard(*frames: tuple[object, ...]) -> ListenReport:
    rows = [FrameCount(*one, KIND, SENDER, "ff") for one in frames]  # type: ignore[arg-type]
    return ListenReport(frames=rows, answers=[], lost=0)


def test_other_ways_and_other_tunnels_do_not_count():
    """Answers come back over the same interfaces, and a switch floods what it does not know."""
    found = CountedFrames(
        {"node1": SendReport(streams=[(8, "")])},
        {
            "server1": heard(("fsd41", "in", None), ("fsv41", "out", None), ("u0", "out", 41),
                             ("u0", "in", 42), ("u0", "out", 43), ("fsd43", "in", None)),
            "far": heard(("u1", "in", 41), ("fsv41", "in", None), ("fsv42", "out", None),
                         ("u1", "out", 42)),
            "node3": heard(),
        },
    )  # fmt: skip
    counts = [hop.count for hop in counted(WAY, found)]
    assert counts == [8, 8, 8, 8, 8, 8, 8, 0, 0, 0, 0, 0, 0, 0, 0]


def test_what_all_counted_is_a_pass():
    told = verdict(trace(20))
    assert (told.ok, told.measured) == (True, "20 of 20 came from 'node1' to 'node3'")


@pytest.mark.parametrize("at", [at for at, hop in enumerate(WAY) if hop.way != "through"])
@pytest.mark.parametrize("left", [0, 19])
def test_the_first_hop_that_missed_any_is_named_where_no_check_says_why(at: int, left: int):
    found = trace(*[20] * at, left)
    lost = gap(found)
    assert lost is not None
    assert lost.missed == found.way[at]
    told = verdict(found)
    assert (told.ok, told.host) == (False, WAY[at].host)
    assert told.measured.startswith(f"{left} of 20 ")
    assert str(WAY[at]) in told.measured
    assert told.cause
    assert told.fix


def test_between_the_servers_the_port_and_both_ends_are_named():
    told = verdict(trace(*[20] * 5, 0))
    assert told.fix == "Allow UDP port 4789 from 'server1' to 'far' wherever it is filtered."
    assert "security group" in told.cause


@pytest.mark.parametrize(
    ("count", "check", "hop"),
    [
        (2, failed("tunnel.ports", "server1", "fsd41 of node1 is in no bridge"), "tunnel 'fsv41'"),
        (2, failed("tunnel.ends", "server1", "node1: it is down; 'server1': fsv41, in fsb41"),
         "tunnel 'fsv41'"),
        (2, failed("server.bridges", "server1", "fsb41: up is False"), "bridge 'fsb41'"),
        (4, failed("server.firewall", "server1", "nft: 'x' drops UDP port 4789 to far"),
         "underlay 'u0'"),
        (4, failed("server.firewall", "server1", "nft: 'x' drops ARP to u0"), "underlay 'u0'"),
        (5, failed("tunnel.ends", "server1", "node1: remote address; fsv41"), "underlay 'u1'"),
        (8, failed("tunnel.ports", "far", "fsv43 of node3 is isolated"), "port 'fsv43'"),
        (LAST, failed("guest.identity", "node3", "MAC"), "NIC 'data0'"),
        (LAST, failed("guest.running", "node3", "shut off"), "NIC 'data0'"),
    ],
)  # fmt: skip
def test_a_check_that_fits_gives_cause_and_fix(count: int, check: Check, hop: str):
    told = verdict(trace(*[20] * count, 0), check)
    assert told.fix == "mend"
    assert told.cause == f"{check.measured}. Why."
    assert hop in told.measured.partition(";")[0]


@pytest.mark.parametrize(
    ("count", "check"),
    [
        (2, failed("tunnel.ports", "server1", "fsv42 of node2 is down")),
        (2, failed("tunnel.ports", "far", "fsv41 of node1 is down")),
        (2, failed("tunnel.ports", "server1", "fsv411 of node371 is down")),
        (2, failed("server.firewall", "server1", "nft: 'x' drops UDP port 4789 to far")),
        (4, failed("tunnel.ends", "server1", "node2: it is down; 'server1': fsv42 over u0")),
        (5, failed("server.drift", "far", "u1")),
        (LAST, failed("guest.identity", "node2", "MAC")),
    ],
)
def test_a_check_of_something_else_is_not_believed(count: int, check: Check):
    assert verdict(trace(*[20] * count, 0), check).fix != "mend"


def test_a_receiver_that_cannot_count_is_no_pass():
    told = verdict(trace(*[20] * LAST, None, deaf="it does not answer"))
    assert (told.ok, told.host) == (False, "node3")
    assert told.measured.startswith("20 of 20 left tap 'fsd43' of 'server1'; nobody could count")
    assert "it does not answer" in told.measured


def test_what_was_lost_before_a_receiver_that_cannot_count_is_named():
    found = trace(*[20] * 8, *[0] * (LAST - 8), None, deaf="it does not answer")
    assert "port 'fsv43' of 'far'" in verdict(found).measured


def test_a_frame_above_the_mtu_is_the_senders_own_doing():
    frames = TracedFrames(size=1451)
    told = verdict(trace(0, frames=frames, error="[Errno 90] Message too long"))
    assert told.fix == "Send no more: --size 1450"
    assert told.measured == "0 of 20 left NIC 'data0' of 'node1': [Errno 90] Message too long"


def test_frames_that_the_switch_kept_are_its_own():
    told = verdict(trace(*[20] * 8, 0))
    assert told.cause == "The switch 'fss41' took them in and did not give them out there."


def test_a_program_has_its_plain_ports_on_the_way():
    program = {"program": {"command": ["/opt/mine", "{ports}"]}}
    settings = Settings(cluster="lab", switch=program)
    guests = tuple(replace(guest, settings=settings) for guest in CLUSTER.guests)
    plain = replace(CLUSTER, settings=settings, guests=guests)
    way = hops(plain, guests[0], guests[2], DEVICES)
    assert [(hop.what, hop.name, hop.way) for hop in way[6:15]] == [
        ("port", "fsv41", "in"),
        ("port bridge", "fsn41", "through"),
        ("near end", "fsp41", "out"),
        ("far end", "fsx41", "in"),
        ("switch", "program", "through"),
        ("far end", "fsx43", "out"),
        ("near end", "fsp43", "in"),
        ("port bridge", "fsn43", "through"),
        ("port", "fsv43", "out"),
    ]
    lost = Trace(FRAMES, tuple(replace(hop, count=20 * (at < 11)) for at, hop in enumerate(way)))
    told = judge(plain, lost, (), mtu=1450, rebuild="build")
    assert "far end 'fsx43'" in told.measured
    assert told.cause == "The switch 'program' took them in and did not give them out there."

"""Which frames a server's kernel copies: of which interfaces, tunnels and filter."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from farswitch.capture.packet_filter import FrameFilter, moved, program
from farswitch.capture.points import CapturePoint, TunnelFrames, tunnel_frames
from farswitch.errors import ConfigError
from farswitch.proof.frames import vxlan
from tests.unit.capture.classic_bpf import run
from tests.unit.capture.sightings import (
    CLUSTER,
    NEAR,
    ONE,
    POINTS,
    TAP,
    THREE,
    TUNNEL,
    TUNNELS,
    ping,
    wrapped,
)

SIZE = 128
INNER = 14 + TUNNELS.inner
ALL = FrameFilter.everything(SIZE)
ICMP = "6\n40 0 0 12\n21 0 3 2048\n48 0 0 23\n21 0 1 1\n6 0 0 128\n6 0 0 0\n"
LARGE_SYN = """\
13
40 0 0 12
21 0 10 2048
48 0 0 23
21 0 8 6
40 0 0 20
69 6 0 8191
177 0 0 14
80 0 0 27
69 0 3 2
128 0 0 0
53 0 1 100
6 0 0 128
6 0 0 0
"""
"""Of `tcpdump -y EN10MB -s 128 -ddd`: 'icmp', and 'tcp[13]&2!=0 and greater 100'."""
OWN = [point for point in POINTS if point.host == "server1"]


def kept(
    frame: bytes,
    point: CapturePoint,
    chosen: FrameFilter = ALL,
    *,
    points: list[CapturePoint] = OWN,
    tunnels: TunnelFrames = TUNNELS,
    protocol: int = 0x0800,
) -> int:
    code = program(points, tunnels, chosen)
    return run(code, frame, interface=point.index, protocol=protocol)


def filtered(printed: str) -> FrameFilter:
    return FrameFilter.parse(printed * 2)


def test_of_taps_and_tunnels_all_is_kept_and_of_other_interfaces_nothing():
    assert [kept(ping(), point) for point in (TAP, TUNNEL)] == [SIZE, SIZE]
    assert [kept(ping(), replace(TAP, index=number)) for number in (0, 1, 4, 7, 99)] == [0] * 5


@pytest.mark.parametrize("vni", [41, 43])
def test_of_the_underlay_the_guests_tunnels_are_kept_with_as_much_of_each_frame(vni: int):
    assert kept(wrapped(ping(), vni), NEAR) == SIZE + INNER


def test_of_the_underlay_nothing_else_is_kept():
    other_port = wrapped(ping())[:36] + (4790).to_bytes(2, "big") + wrapped(ping())[38:]
    fragment = wrapped(ping())[:20] + b"\0\1" + wrapped(ping())[22:]
    no_udp = wrapped(ping())[:23] + b"\6" + wrapped(ping())[24:]
    for frame in (ping(), wrapped(ping(), 42), other_port, fragment, no_udp, wrapped(b"")[:49]):
        assert kept(frame, NEAR) == 0
    assert kept(wrapped(ping()), NEAR, protocol=0x86DD) == 0


def test_an_underlay_without_ethernet_is_read_from_its_ip_header_on():
    point = replace(NEAR, ethernet=False)
    assert kept(wrapped(ping(), ethernet=False), point, points=[point]) == SIZE + INNER - 14
    assert kept(wrapped(ping()), point, points=[point]) == 0


def test_an_underlay_of_ipv6_is_read_by_its_own_offsets():
    ends = (ip_address("fd00::11"), ip_address("fd00::12"))
    frame = vxlan(("02:00:00:00:00:01", "02:00:00:00:00:02"), ends, 4789, 41, ping())
    tunnels = TunnelFrames(4789, (41,), 6)
    assert kept(frame, NEAR, tunnels=tunnels, protocol=0x86DD) == SIZE + 14 + 40 + 8 + 8
    assert kept(frame, NEAR) == 0


@pytest.mark.parametrize(
    ("printed", "tcp", "lets_through"),
    [(ICMP, False, True), (ICMP, True, False), (LARGE_SYN, True, True), (LARGE_SYN, False, False)],
)
def test_a_filter_is_about_the_guests_frame_also_within_a_tunnel(
    printed: str, tcp: bool, lets_through: bool
):
    frame, chosen = ping(tcp=tcp), filtered(printed)
    found = [kept(frame, TAP, chosen), kept(frame, TUNNEL, chosen)]
    found.append(kept(wrapped(frame), NEAR, chosen))
    assert [size > 0 for size in found] == [lets_through] * 3


def test_a_length_within_a_tunnel_is_that_of_the_guests_frame():
    small = ping(tcp=True)[:90]
    assert [kept(one, TAP, filtered(LARGE_SYN)) for one in (small, ping(tcp=True))] == [0, SIZE]
    assert kept(wrapped(small), NEAR, filtered(LARGE_SYN)) == 0


def test_jumps_over_a_step_that_became_two_still_lead_to_the_same_place():
    steps = [(0x05, 0, 0, 1), (0x06, 0, 0, 0), (0x80, 0, 0, 0), (0x35, 0, 1, 9), (0x06, 0, 0, 7)]
    steps.append((0x06, 0, 0, 0))
    assert moved(steps, 50) == [
        (0x05, 0, 0, 1), (0x06, 0, 0, 0), (0x80, 0, 0, 0), (0x14, 0, 0, 50), (0x35, 0, 1, 9),
        (0x06, 0, 0, 57), (0x06, 0, 0, 0),
    ]  # fmt: skip
    over = [(0x15, 1, 0, 5), (0x80, 0, 0, 0), (0x06, 0, 0, 0)]
    assert moved(over, 50)[0] == (0x15, 2, 0, 5)


def test_many_interfaces_and_vnis_are_each_found():
    points = [replace(TAP, name=f"fsd{at}", index=at) for at in range(100, 500)]
    tunnels = TunnelFrames(4789, tuple(range(41, 441)), 4)
    for point in (points[0], points[200], points[-1]):
        assert kept(ping(), point, points=[*points, NEAR], tunnels=tunnels) == SIZE
    for vni in (41, 240, 440):
        assert kept(wrapped(ping(), vni), NEAR, points=[*points, NEAR], tunnels=tunnels)
    assert not kept(wrapped(ping(), 441), NEAR, points=[*points, NEAR], tunnels=tunnels)


def test_a_program_that_no_kernel_takes_is_refused():
    points = [replace(TAP, index=at) for at in range(2100)]
    with pytest.raises(ConfigError, match="wanted 4096 at most"):
        program(points, TUNNELS, ALL)
    with pytest.raises(ConfigError, match="No kernel runs"):
        filtered("2\n5 0 0 4294967290\n6 0 0 0\n")
    far = "255\n" + "21 0 253 1\n" + "128 0 0 0\n" * 253 + "6 0 0 0\n"
    with pytest.raises(ConfigError, match="too long"):
        program(OWN, TUNNELS, filtered(far))


@pytest.mark.parametrize("printed", ["", "two\n", "2\n6 0 0 0\n", "1\n6 0 0\n"])
def test_what_is_no_program_is_refused(printed: str):
    with pytest.raises(ConfigError):
        FrameFilter.parse(printed)


def test_the_tunnels_are_those_of_the_guests_at_the_port_of_the_site():
    settings = CLUSTER.settings.model_copy(update={"udp_port": 8472})
    found = tunnel_frames(replace(CLUSTER, settings=settings), (ONE, THREE))
    assert found == TunnelFrames(8472, (41, 43), 4)

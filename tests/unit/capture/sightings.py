"""Interfaces, and frames of two guests as they are seen there."""

from __future__ import annotations

from ipaddress import ip_address

from farswitch.capture.frames import OUTGOING, CapturedFrame
from farswitch.capture.points import CapturePoint, TunnelFrames
from farswitch.model.cluster import Cluster
from farswitch.proof.frames import vxlan
from farswitch.trace.frame import TracedFrames
from tests.unit.checks.test_check_attack_frames import servers

CLUSTER: Cluster = servers().cluster
ONE, TWO, THREE = CLUSTER.guests
TAP = CapturePoint("server1", "tap", "fsd41", 5, "node1")
TUNNEL = CapturePoint("server1", "tunnel", "fsv41", 6, "node1")
NEAR = CapturePoint("server1", "underlay", "u0", 2)
FAR = CapturePoint("far", "underlay", "u1", 3)
PORT = CapturePoint("far", "port", "fsv41", 9, "node1")
POINTS = [TAP, TUNNEL, NEAR, FAR, PORT]
TUNNELS = TunnelFrames(4789, (41, 43), 4)
TOKEN = bytes(range(8))
START = 1_700_000_000 * 10**9


def ping(number: int = 0, *, tcp: bool = False, back: bool = False) -> bytes:
    """Return a frame of the first guest to the third, or back; each number has its own bytes."""
    ends = (THREE, ONE) if back else (ONE, THREE)
    made = TracedFrames(tcp=tcp).frame(*ends, TOKEN)
    return made[:-4] + number.to_bytes(4, "big")


def wrapped(frame: bytes, vni: int = 41, *, ethernet: bool = True) -> bytes:
    """Return a frame within a tunnel."""
    macs = ("02:00:00:00:00:01", "02:00:00:00:00:02")
    ends = (ip_address("203.0.113.11"), ip_address("203.0.113.12"))
    made: bytes = vxlan(macs, ends, 4789, vni, frame)
    return made if ethernet else made[14:]


def seen(point: CapturePoint, frame: bytes, after: int, *, out: bool = False) -> CapturedFrame:
    """Return a frame as it is seen so many nanoseconds after the start."""
    return CapturedFrame(point, START + after, len(frame), frame, OUTGOING if out else 0)

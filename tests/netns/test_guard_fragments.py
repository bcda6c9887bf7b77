"""Forged VXLAN in fragments of IPv6, which the kernel puts together behind the guard's hook."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from farswitch.connections.shell.local import LocalShell
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest, Server
from farswitch.model.settings import Settings
from tests.netns.converged import guard

pytestmark = pytest.mark.root
SEND = """
import socket, struct, sys
options, at = map(int, sys.argv[1:])
address = socket.inet_pton(socket.AF_INET6, "::1")
receiver = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
receiver.bind(("::1", 4789))
sender = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)

def send(kind, body):
    head = struct.pack("!IHBB", 6 << 28, len(body), kind, 64)
    sender.sendto(head + address * 2 + body, ("::1", 0))

def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF

vxlan = struct.pack("!II", 0x08000000, 41 << 8) + bytes(32)
ports = struct.pack("!HHH", 5555, 4789, 8 + len(vxlan))
pseudo = address * 2 + struct.pack("!II", 8 + len(vxlan), 17)
whole = ports + struct.pack("!H", checksum(pseudo + ports + bytes(2) + vxlan)) + vxlan
first = 17
if options:
    first, whole = 60, bytes([17, 0, 1, 4, 0, 0, 0, 0]) + whole
if at:
    send(44, struct.pack("!BBHI", first, 0, 1, 7) + whole[:at])
    send(44, struct.pack("!BBHI", first, 0, at, 7) + whole[at:])
else:
    send(first, whole)
receiver.settimeout(1)
try:
    print("in" if receiver.recv(999) == vxlan else "other")
except TimeoutError:
    print("lost")
"""


def sent(box: LocalShell, at: int, *, options: bool = False) -> str:
    """Send VXLAN from ::1 to ::1, split `at` so many bytes; options stand before its UDP header."""
    return box.run(("python3", "-c", SEND, str(int(options)), str(at))).stdout.strip()


def guarded(box: LocalShell, peer: str) -> None:
    """Give a switch its guard, which has no ct: that would put fragments together before it."""
    settings = Settings(cluster="lab", vni_base=41)
    far: Any = Server("server1", "hypervisor", "h1", ip_address(peer))
    near: Any = Server("server2", "switch", "h2", ip_address("fd00::8"))
    guests = (Guest("node1", 1, "server1", settings),)
    guard(box, Cluster(settings, (far,), near, guests), near, "lo")


@pytest.mark.parametrize("at", [0, 8, 16])
def test_a_tunnels_packet_is_kept_out_wherever_it_is_split(box, at: int):
    assert sent(box, at) == "in"
    guarded(box, "fd00::9")
    assert sent(box, at) == "lost"


@pytest.mark.parametrize("at", [0, 16, 24])
def test_it_is_kept_out_behind_options_too(box, at: int):
    assert sent(box, at, options=True) == "in"
    guarded(box, "fd00::9")
    assert sent(box, at, options=True) == "lost"


@pytest.mark.parametrize("at", [0, 8])
def test_what_a_far_end_sends_is_let_in(box, at: int):
    guarded(box, "::1")
    assert sent(box, at) == "in"


def test_the_kernel_takes_no_first_fragment_without_the_udp_header(box):
    """The guard relies on it: of such a one it sees no port."""
    assert sent(box, 0, options=True) == "in"
    assert sent(box, 8, options=True) == "lost"

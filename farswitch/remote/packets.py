"""Send packets of given sizes from a server, and say which of the other servers' arrived here.

Usage: python3 -c PROGRAM SECONDS TOKEN   (it ends by itself after SECONDS; TOKEN: 8 hex digits)

It reads one JSON document a line, and answers each with one:

    {"listen": {"eth1": 28}}                where the token stands in a packet of each interface
    {"send": [["udp", MARK, SIZE, TO, PORT, FROM], ["icmp", MARK, SIZE, TO, 0, FROM],
              ["frame", MARK, SIZE, INTERFACE, 0, SOURCE]]}     -> an error or null for each
    {"seen": SECONDS, "count": N}           -> [[INTERFACE, KIND, MARK, SIZE], ...] since the last

SIZE is in bytes of IP packet, for a frame in bytes behind the Ethernet header. A mark says who
sent it. None is ever fragmented. Arrivals are read where no firewall has seen them yet.
"""

from __future__ import annotations

import contextlib
import json
import select
import signal
import socket
import struct
import sys
import time
from ctypes import addressof, create_string_buffer
from typing import Any, NamedTuple

ETH_P_ALL = 0x0003
EXPERIMENTAL = bytes.fromhex("88b5")
"""The ethertype for local experiments (IEEE 802)."""
LLDP = bytes.fromhex("0180c200000e")
"""A destination that bridges do not forward (IEEE 802.1Q, table 8-1)."""
SO_ATTACH_FILTER, SO_RCVBUFFORCE, PACKET_OUTGOING = 26, 33, 4
IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, IPV6_DONTFRAG, PMTUDISC_PROBE = 10, 23, 62, 3
"""PMTUDISC_PROBE: DF, and only the device bounds the size (ip(7))."""
ROOM = 8 << 20
HEAD = struct.Struct("!4sBII")
"""What every payload begins with: token, kind, mark, size."""
KINDS = ("udp", "icmp", "frame")
TOKEN = bytes.fromhex(sys.argv[2])
receivers: dict[socket.socket, tuple[str, int]] = {}


def listen(interface: str, offset: int) -> None:
    """Keep what has the token at `offset` of the packet, from now on."""
    (token,) = struct.unpack("!I", TOKEN)
    steps = ((0x20, 0, 0, offset), (0x15, 0, 1, token), (0x06, 0, 0, 0xFFFF), (0x06, 0, 0, 0))
    code = create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    one = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
    one.setsockopt(
        socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", len(steps), addressof(code))
    )
    one.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, ROOM)
    one.bind((interface, ETH_P_ALL))
    one.settimeout(0)
    receivers[one] = (interface, offset)


class Packet(NamedTuple):
    """What is asked to be sent."""

    kind: str
    mark: int
    size: int
    to: str
    port: int
    source: str

    @property
    def payload(self) -> bytes:
        return HEAD.pack(TOKEN, KINDS.index(self.kind), self.mark, self.size)


def send(packet: Packet) -> str | None:
    """Send one packet; return why it cannot be sent."""
    try:
        if packet.kind == "frame":
            _frame(packet)
        else:
            _packet(packet, v6=":" in packet.to)
    except OSError as error:
        return error.strerror or str(error)
    return None


def _frame(packet: Packet) -> None:
    ethernet = LLDP + bytes.fromhex(packet.source.replace(":", "")) + EXPERIMENTAL
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as one:
        one.bind((packet.to, 0))
        one.send(ethernet + packet.payload.ljust(packet.size, b"\0"))


def _packet(packet: Packet, *, v6: bool) -> None:
    family, header = (socket.AF_INET6, 40) if v6 else (socket.AF_INET, 20)
    body, port = packet.payload.ljust(packet.size - header - 8, b"\0"), packet.port
    if packet.kind == "udp":
        one = socket.socket(family, socket.SOCK_DGRAM)
    else:
        protocol = socket.IPPROTO_ICMPV6 if v6 else socket.IPPROTO_ICMP
        one = socket.socket(family, socket.SOCK_RAW, protocol)
        body, port = _echo(body, v6=v6), 0
    with one:
        if v6:
            one.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_PROBE)
            one.setsockopt(socket.IPPROTO_IPV6, IPV6_DONTFRAG, 1)
        else:
            one.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_PROBE)
        one.bind((packet.source, 0))
        one.sendto(body, (packet.to, port))


def _echo(body: bytes, *, v6: bool) -> bytes:
    """Return an echo request; the checksum of ICMPv6 is the kernel's work (RFC 3542, 3.1)."""
    if v6:
        return struct.pack("!BBHHH", 128, 0, 0, 1, 1) + body
    even = struct.pack("!BBHHH", 8, 0, 0, 1, 1) + body + bytes(len(body) % 2)
    total = sum(struct.unpack(f"!{len(even) // 2}H", even))
    total = (total & 0xFFFF) + (total >> 16)
    checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    return struct.pack("!BBHHH", 8, 0, checksum, 1, 1) + body


def seen(seconds: float, count: int) -> list[tuple[str, str, int, int]]:
    """Return what arrived, once there are `count` different ones or the time is up."""
    found: set[tuple[str, str, int, int]] = set()
    end = time.monotonic() + seconds
    while len(found) < count:
        ready, _, _ = select.select(list(receivers), [], [], max(0.0, end - time.monotonic()))
        for one in ready:
            found |= _arrived(one)
        if not ready:
            break
    return sorted(found)


def _arrived(one: socket.socket) -> set[tuple[str, str, int, int]]:
    interface, offset = receivers[one]
    found = set()
    with contextlib.suppress(BlockingIOError):
        while True:
            packet, address = one.recvfrom(offset + HEAD.size)
            if address[2] != PACKET_OUTGOING and len(packet) == offset + HEAD.size:
                _, kind, mark, size = HEAD.unpack_from(packet, offset)
                found.add((interface, KINDS[kind], mark, size))
    return found


def answer(question: dict[str, Any]) -> object:
    """Do what one line asks for."""
    if "listen" in question:
        errors = {}
        for interface, offset in question["listen"].items():
            try:
                listen(interface, offset)
            except OSError as error:
                errors[interface] = error.strerror
        return errors
    if "send" in question:
        return [send(Packet(*one)) for one in question["send"]]
    return seen(question["seen"], question["count"])


def main() -> None:
    """Answer line by line until the input or the time ends."""
    signal.alarm(int(sys.argv[1]))
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


main()

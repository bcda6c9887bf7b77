"""Send packets of given sizes from a server, and report which of the other servers' arrived here.

Usage: python3 -c PROGRAM SECONDS TOKEN   (it ends by itself after SECONDS; TOKEN: 8 hex digits)

It reads one JSON document a line, and replies to each with one:

    {"offsets": {"eth1": 28}, "behind": false}
                                            where the token stands in a packet of each interface,
                                            "" for all of them
                                            -> {"refused": {INTERFACE: WHY}}
    {"packets": [["udp", MARK, SIZE, TO, PORT, FROM], ["icmp", MARK, SIZE, TO, 0, FROM],
                 ["frame", MARK, SIZE, INTERFACE, 0, SOURCE]]}
                                            -> {"errors": [an error or null for each]}
    {"count": N, "seconds": SECONDS}        -> {"arrivals": [[INTERFACE, KIND, MARK, SIZE], ...]}
                                            since the last, once there are N or the time is up

SIZE is in bytes of IP packet, for a frame in bytes behind the Ethernet header. A mark says who
sent it. None is ever fragmented. Arrivals are read where no firewall but XDP saw them yet; with
"behind" where the device's own hooks have (tc, nft's ingress) and no other: their interface is
"behind eth1", then.
"""

from __future__ import annotations

import contextlib
import errno
import json
import select
import signal
import socket
import struct
import sys
import time
from typing import Any, NamedTuple

from farswitch.remote.packet_bytes import attach, bpf, echo_request

ETH_P_IP, ETH_P_ALL, ETH_P_IPV6 = 0x0800, 0x0003, 0x86DD
EXPERIMENTAL = bytes.fromhex("88b5")
"""The ethertype for local experiments (IEEE 802)."""
LLDP = bytes.fromhex("0180c200000e")
"""A destination that bridges do not forward (IEEE 802.1Q, table 8-1)."""
SO_RCVBUFFORCE, PACKET_OUTGOING = 33, 4
IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, IPV6_DONTFRAG, PMTUDISC_PROBE = 10, 23, 62, 3
"""PMTUDISC_PROBE: DF, and only the device bounds the size (ip(7))."""
ROOM = 8 << 20
HEAD = struct.Struct("!4sBII")
"""What every payload begins with: token, kind, mark, size."""
KINDS = ("udp", "icmp", "frame")
TOKEN = bytes.fromhex(sys.argv[2])
V4_OFFSET = 28
"""Bytes of the headers of IPv4 and UDP."""
receivers: dict[socket.socket, tuple[str, int]] = {}


def listen(interface: str, offset: int, *, behind: bool) -> None:
    """Keep what has the token at `offset` of the packet, from now on.

    A socket of all protocols gets a packet before the hooks of its device, one of a single protocol
    after them, as the protocol itself (__netif_receive_skb_core of the kernel).
    """
    (token,) = struct.unpack("!I", TOKEN)
    steps = [(0x20, 0, 0, offset), (0x15, 0, 1, token), (0x06, 0, 0, 0xFFFF), (0x06, 0, 0, 0)]
    protocol = ETH_P_ALL if not behind else ETH_P_IP if offset == V4_OFFSET else ETH_P_IPV6
    kind = 0 if interface else socket.htons(protocol)
    receiver = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, kind)
    attach(receiver, bpf(steps))
    receiver.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, ROOM)
    if interface:
        receiver.bind((interface, protocol))
    receiver.settimeout(0)
    receivers[receiver] = (f"behind {interface}" if behind else interface, offset)


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
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as raw:
        raw.bind((packet.to, 0))
        raw.send(ethernet + packet.payload.ljust(packet.size, b"\0"))


def _packet(packet: Packet, *, v6: bool) -> None:
    family, header = (socket.AF_INET6, 40) if v6 else (socket.AF_INET, 20)
    body, port = packet.payload.ljust(packet.size - header - 8, b"\0"), packet.port
    if packet.kind == "udp":
        sender = socket.socket(family, socket.SOCK_DGRAM)
    elif v6:  # the checksum of ICMPv6 is the kernel's work (RFC 3542, 3.1)
        sender = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        body, port = struct.pack("!BBHHH", 128, 0, 0, 1, 1) + body, 0
    else:
        sender = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        body, port = echo_request(1, body), 0
    with sender:
        if v6:
            sender.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_PROBE)
            sender.setsockopt(socket.IPPROTO_IPV6, IPV6_DONTFRAG, 1)
        else:
            sender.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_PROBE)
        sender.bind((packet.source, 0))
        sender.sendto(body, (packet.to, port))


def arrivals(count: int, seconds: float) -> list[tuple[str, str, int, int]]:
    """Return what arrived, once there are `count` different ones or the time is up."""
    found: set[tuple[str, str, int, int]] = set()
    end = time.monotonic() + seconds
    while len(found) < count:
        ready, _, _ = select.select(list(receivers), [], [], max(0.0, end - time.monotonic()))
        for receiver in ready:
            found |= _arrived(receiver)
        if not ready:
            break
    return sorted(found)


def _arrived(receiver: socket.socket) -> set[tuple[str, str, int, int]]:
    interface, offset = receivers[receiver]
    found = set()
    with contextlib.suppress(BlockingIOError):
        while True:
            packet, address = _next(receiver, offset + HEAD.size)
            if address[2] != PACKET_OUTGOING and len(packet) == offset + HEAD.size:
                token, kind, mark, size = HEAD.unpack_from(packet, offset)
                if token == TOKEN:  # nothing that came before the filter
                    found.add((interface or address[0], KINDS[kind], mark, size))
    return found


def _next(receiver: socket.socket, size: int) -> tuple[bytes, Any]:
    """Return the next packet; that its interface is down is reported once, and then it may come."""
    try:
        return receiver.recvfrom(size)
    except OSError as error:
        if error.errno != errno.ENETDOWN:
            raise
        return receiver.recvfrom(size)


def reply(message: dict[str, Any]) -> dict[str, object]:
    """Do what one line asks for."""
    if "offsets" in message:
        refused = {}
        for interface, offset in message["offsets"].items():
            try:
                listen(interface, offset, behind=message.get("behind", False))
            except OSError as error:
                refused[interface] = error.strerror or str(error)
        return {"refused": refused}
    if "packets" in message:
        return {"errors": [send(Packet(*packet)) for packet in message["packets"]]}
    return {"arrivals": arrivals(message["count"], message["seconds"])}


def main() -> None:
    """Reply line by line until the input or the time ends."""
    signal.alarm(int(sys.argv[1]))
    for line in sys.stdin:
        print(json.dumps(reply(json.loads(line))), flush=True)


main()

"""What several of our programs need for packets; `source` puts it into those that import it.

Only what starts fast is imported: under emulation the library's larger modules cost seconds.
"""

from __future__ import annotations

import socket
import struct
from array import array

SO_ATTACH_FILTER = 26  # asm-generic/socket.h
STEPS = 40
"""Sizes that one round of a search tries: 9,000 bytes take three rounds."""


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    data += bytes(len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def echo_request(identity: int, body: bytes) -> bytes:
    """Return an ICMP echo request (RFC 792), the first of an identity."""
    head = struct.pack("!BBHHH", 8, 0, 0, identity, 1)
    return struct.pack("!BBHHH", 8, 0, checksum(head + body), identity, 1) + body


def between(low: int, high: int) -> tuple[int, ...]:
    """Return sizes that cut the range between two evenly; at most `STEPS` of them."""
    step = -(-(high - low) // (STEPS + 1))
    return tuple(range(low + step, high, step))


def bpf(steps: list[tuple[int, int, int, int]]) -> bytes:
    """Return a classic BPF program (linux/filter.h) from its steps: code, jumps, value."""
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def attach(plug: socket.socket, program: bytes) -> None:
    """Let only what a BPF program chooses come into a socket."""
    code = array("B", program)
    where = struct.pack("@HP", len(program) // 8, code.buffer_info()[0])  # struct sock_fprog
    plug.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, where)

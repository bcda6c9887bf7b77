"""The kernel's machine for classic BPF, as far as filters of packets use it (linux/filter.h)."""

from __future__ import annotations

import struct
from typing import Final

ANCILLARY: Final = 0xFFFFF000
SIZES: Final = {0x00: 4, 0x08: 2, 0x10: 1}


def run(program: bytes, packet: bytes, *, interface: int, protocol: int = 0x0800) -> int:
    """Return how many bytes of a packet a program keeps; 0 where it drops it."""
    steps = [struct.unpack("=HBBI", program[at : at + 8]) for at in range(0, len(program), 8)]
    at = a = x = 0
    while True:
        code, true, false, k = steps[at]
        at += 1
        match code & 0x07:
            case 0x00 | 0x01:
                value = _load(code, k, x, packet, {0: protocol, 8: interface})
                if value is None:
                    return 0
                a, x = (a, value) if code & 0x07 else (value, x)
            case 0x04:
                other = x if code & 0x08 else k
                a = {0x00: a + other, 0x10: a - other, 0x50: a & other}[code & 0xF0] & 0xFFFFFFFF
            case 0x05:
                other = x if code & 0x08 else k
                operation = code & 0xF0
                if operation == 0x00:
                    at += k
                else:
                    taken = {0x10: a == other, 0x20: a > other, 0x30: a >= other, 0x40: a & other}
                    at += true if taken[operation] else false
            case 0x06:
                return int(k)
            case _:
                raise AssertionError(f"step {at} has code {code:#x}")


def _load(code: int, k: int, x: int, packet: bytes, ancillary: dict[int, int]) -> int | None:
    mode = code & 0xE0
    if mode == 0x00:
        return k
    if mode == 0x80:
        return len(packet)
    if mode == 0xA0:
        return (packet[k] & 0x0F) * 4 if k < len(packet) else None
    if mode == 0x20 and k >= ANCILLARY:
        return ancillary[k - ANCILLARY]
    start, size = k + (x if mode == 0x40 else 0), SIZES[code & 0x18]
    return (
        int.from_bytes(packet[start : start + size], "big") if start + size <= len(packet) else None
    )

"""BPF programs that hang on devices without a queueing discipline (tcx, Linux 6.6).

`tc filter show` prints none of them.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from collections.abc import Iterator

NUMBERS = {"x86_64": 321, "aarch64": 280}
"""bpf(2) by machine."""
GET_FD, GET_INFO, QUERY = 13, 15, 16
"""BPF_PROG_GET_FD_BY_ID, BPF_OBJ_GET_INFO_BY_FD and BPF_PROG_QUERY of <linux/bpf.h>."""
HOOKS = {"ingress": 46, "egress": 47}
"""BPF_TCX_INGRESS and BPF_TCX_EGRESS."""
MOST = 64
"""Programs of one hook (BPF_MPROG_MAX)."""
ASKED = struct.Struct("=4IQ2I4Q")
"""The part of `union bpf_attr` for BPF_PROG_QUERY: interface, hook, two flags; where programs' ids
go, and how many; where flags and ids of links go, and a revision."""
INFO, NAME = 80, slice(64, 80)
"""Bytes of `struct bpf_prog_info` up to its name."""


def bpf(command: int, attributes: bytes) -> tuple[int, bytes]:
    """Return what a command of the system call results in, and its attributes as they are then."""
    number = NUMBERS.get(os.uname().machine)
    if number is None:
        return -1, attributes
    data = ctypes.create_string_buffer(attributes, len(attributes))
    result: int = ctypes.CDLL(None).syscall(number, command, data, len(attributes))
    return result, data.raw


def attached(index: int, hook: int) -> Iterator[tuple[int, int]]:
    """Yield the ids of the programs of a device's hook, each with its link's, 0 for none."""
    programs, links = (ctypes.c_uint32 * MOST)(), (ctypes.c_uint32 * MOST)()
    places = ctypes.addressof(programs), ctypes.addressof(links)
    asked = ASKED.pack(index, hook, 0, 0, places[0], MOST, 0, 0, places[1], 0, 0)
    result, told = bpf(QUERY, asked)
    count = ASKED.unpack(told)[5] if result == 0 else 0  # none before Linux 6.6
    for at in range(count):
        yield programs[at], links[at]


def name(program: int) -> str:
    """Return the name of a program, where it has one that we may see."""
    descriptor, _ = bpf(GET_FD, struct.pack("=3I", program, 0, 0))
    if descriptor < 0:
        return ""
    info = ctypes.create_string_buffer(INFO)
    bpf(GET_INFO, struct.pack("=2IQ", descriptor, INFO, ctypes.addressof(info)))
    os.close(descriptor)
    return info.raw[NAME].rstrip(b"\0").decode(errors="replace")


def programs() -> list[list[object]]:
    """Return device, hook, id, name and link of each program."""
    return [
        [device, hook, program, name(program), link]
        for index, device in socket.if_nameindex()
        for hook, number in HOOKS.items()
        for program, link in attached(index, number)
    ]

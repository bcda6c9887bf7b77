"""Loads a BPF program that answers each packet with one verdict, and attaches it to a device.

Usage: python xdp_attach.py DEVICE VERDICT [HOOK] (<linux/bpf.h>). Without a hook it is XDP
(1 drops, 2 passes), at `ingress` and `egress` one of tcx (2 drops, -1 passes to the next).
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

from pyroute2 import IPRoute

SYS_BPF, PROG_LOAD, PROG_ATTACH = 321, 5, 8
"""bpf(2) on x86_64, BPF_PROG_LOAD, BPF_PROG_ATTACH."""
TYPE_CLASSIFIER, TYPE_XDP = 3, 6
"""BPF_PROG_TYPE_SCHED_CLS, BPF_PROG_TYPE_XDP."""
TCX = {"ingress": 46, "egress": 47}
"""BPF_TCX_INGRESS, BPF_TCX_EGRESS."""
MOVE, EXIT = 0xB7, 0x95
ATTRIBUTES = 160


def bpf(command: int, wanted: bytes) -> int:
    """Return what bpf(2) returns.

    Raises:
        OSError: It failed.
    """
    given = ctypes.create_string_buffer(wanted.ljust(ATTRIBUTES, b"\0"), ATTRIBUTES)
    result: int = ctypes.CDLL(None, use_errno=True).syscall(SYS_BPF, command, given, ATTRIBUTES)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def load(kind: int, verdict: int) -> int:
    """Return the descriptor of the program."""
    code = struct.pack("<BBhi", MOVE, 0, 0, verdict) + struct.pack("<BBhi", EXIT, 0, 0, 0)
    program, licence = ctypes.create_string_buffer(code), ctypes.create_string_buffer(b"GPL")
    wanted = struct.pack(
        "<IIQQIIQII16s", kind, 2, ctypes.addressof(program), ctypes.addressof(licence),
        0, 0, 0, 0, 0, b"of_the_test",
    )  # fmt: skip
    return bpf(PROG_LOAD, wanted)


def main() -> None:
    """Load and attach."""
    device, verdict, *hook = sys.argv[1:]
    with IPRoute() as ipr:
        (index,) = ipr.link_lookup(ifname=device)
        if not hook:
            ipr.link("set", index=index, xdp_fd=load(TYPE_XDP, int(verdict)))
            return
    program = load(TYPE_CLASSIFIER, int(verdict))
    bpf(PROG_ATTACH, struct.pack("<6IQ", index, program, TCX[hook[0]], 0, 0, 0, 0))


if __name__ == "__main__":
    main()

"""Have frames leave interfaces whole: checksums done, none above the MTU; what comes in is merged.

Usage: python3 whole_frames.py read|set NAME...
It prints a line for each offload that is (or was) not so: NAME OFFLOAD IS WANTED, the offloads by
the names that `ethtool -K` takes. An interface that is not there has none.

GRO is needed for native XDP on the other end of a veth: without it the kernel drops what is
redirected there (drivers/net/veth.c, veth_xdp_xmit).
"""

from __future__ import annotations

import array
import errno
import fcntl
import socket
import struct
import sys

SIOCETHTOOL = 0x8946
"""Of <linux/sockios.h>."""
OFFLOADS = {"tso": (0x1E, 0), "tx": (0x16, 0), "gso": (0x23, 0), "gro": (0x2B, 1)}
"""ETHTOOL_GTSO, GTXCSUM, GGSO and GGRO of <linux/ethtool.h>; to set one has the next number."""


def asked(probe: socket.socket, name: str, command: int, value: int = 0) -> int:
    """Return what an interface has of an offload, after it was set where the command does that."""
    values = array.array("I", [command, value])  # struct ethtool_value
    request = struct.pack("16sP16x", name.encode(), values.buffer_info()[0])
    fcntl.ioctl(probe, SIOCETHTOOL, request)
    return int(values[1])


def set_whole(name: str) -> None:
    """Have frames leave an interface whole."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for command, wanted in OFFLOADS.values():
            asked(probe, name, command + 1, wanted)


def main(how: str, names: list[str]) -> None:
    """Print what differs, and set it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for name in names:
            for offload, (command, wanted) in OFFLOADS.items():
                try:
                    found = asked(probe, name, command)
                except OSError as error:
                    if error.errno == errno.ENODEV:
                        break
                    raise
                if found != wanted:
                    print(name, offload, found, wanted)
                    if how == "set":
                        asked(probe, name, command + 1, wanted)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])

"""Print each network interface, its MTU in bytes, and which work it takes off the kernel.

A line each: "interface" NAME MTU [OFFLOAD ...], the offloads by the names that `ethtool -K` takes.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import socket
import struct

SIOCGIFMTU, SIOCETHTOOL = 0x8921, 0x8946
"""Of <linux/sockios.h>."""
OFFLOADS = {"tx": 0x16, "tso": 0x1E, "gso": 0x23, "gro": 0x2B}
"""ETHTOOL_GTXCSUM, ETHTOOL_GTSO, ETHTOOL_GGSO and ETHTOOL_GGRO of <linux/ethtool.h>."""


def asked(probe: socket.socket, name: str, command: int) -> bool:
    """Return whether an interface has an offload; one that does not know the question has not."""
    value = array.array("I", [command, 0])  # struct ethtool_value
    request = struct.pack("16sP16x", name.encode(), value.buffer_info()[0])
    with contextlib.suppress(OSError):
        fcntl.ioctl(probe, SIOCETHTOOL, request)
    return bool(value[1])


def main() -> None:
    """Print them."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            request = struct.pack("16si20x", name.encode(), 0)
            try:
                (mtu,) = struct.unpack_from("16xi", fcntl.ioctl(probe, SIOCGIFMTU, request))
            except OSError:  # it has gone meanwhile
                continue
            found = [word for word, one in OFFLOADS.items() if asked(probe, name, one)]
            print("interface", name, mtu, *found)


main()

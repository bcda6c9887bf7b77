"""Take an interface down for a moment, and report how long it was.

Usage: python3 port_flap.py INTERFACE BEFORE DOWN
It prints {"ready": true}; a line of its input begins: after BEFORE seconds the interface goes down,
DOWN seconds later up. The report is {"down_ms": MILLISECONDS}. When its input ends before, nothing
is done.
"""

from __future__ import annotations

import fcntl
import json
import select
import socket
import struct
import sys
import time

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1  # linux/sockios.h, linux/if.h


def set_up(asked: socket.socket, name: bytes, *, up: bool) -> None:
    """Set the interface up or down."""
    found = fcntl.ioctl(asked, SIOCGIFFLAGS, struct.pack("16sh14x", name, 0))
    flags = struct.unpack("16sh14x", found)[1]
    wanted = flags | IFF_UP if up else flags & ~IFF_UP
    fcntl.ioctl(asked, SIOCSIFFLAGS, struct.pack("16sh14x", name, wanted))


def main() -> None:
    """Do it."""
    name, before, down = sys.argv[1].encode(), float(sys.argv[2]), float(sys.argv[3])
    print(json.dumps({"ready": True}), flush=True)
    if not sys.stdin.readline() or select.select([sys.stdin], [], [], before)[0]:
        return  # whoever asked has gone
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        set_up(asked, name, up=False)
        began = time.monotonic()
        try:
            select.select([sys.stdin], [], [], down)
        finally:
            set_up(asked, name, up=True)
        print(json.dumps({"down_ms": 1e3 * (time.monotonic() - began)}), flush=True)


if __name__ == "__main__":
    main()

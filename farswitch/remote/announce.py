"""Say by ARP where an address is, so that every bridge on the way learns the MAC that has it.

Usage: python3 announce.py MAC ADDRESS

An announcement (RFC 5227, 2.3) goes to everybody from the interface with that MAC, some times.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import sys
import time

SIOCGIFHWADDR = 0x8927
ETH_P_ARP = 0x0806
TIMES, PAUSE = 3, 0.05
"""One frame would do; a queue that overflows under emulation may lose it."""


def interface(mac: bytes) -> str:
    """Return the name of the interface with a MAC; it ends the program where there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        for _, name in socket.if_nameindex():
            found = fcntl.ioctl(asked, SIOCGIFHWADDR, struct.pack("256s", name.encode()))
            if found[18:24] == mac:
                return name
    sys.exit(f"no interface has {mac.hex(':')}")


def main(mac: bytes, address: bytes) -> None:
    """Announce."""
    message = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac + address + bytes(6) + address
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM) as plug:
        name = interface(mac)
        for number in range(TIMES):
            time.sleep(PAUSE if number else 0)
            plug.sendto(message, (name, ETH_P_ARP, 0, 0, b"\xff" * 6))


main(bytes.fromhex(sys.argv[1].replace(":", "")), socket.inet_aton(sys.argv[2]))

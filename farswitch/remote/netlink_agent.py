"""The far end of the netlink relay: runs on a server, from its source text, on Python 3.8 or later.

It passes datagrams between its standard streams and a netlink socket until its input ends. On the
streams each has its length in front, four bytes, the most significant first.
"""

import os
import select
import socket
import struct

SOL_NETLINK, NETLINK_EXT_ACK = 270, 11
SO_RCVBUFFORCE = 33
BUFFER = 8 << 20
DATAGRAM = 1 << 20
LENGTH = struct.Struct("!I")


def write(frame: bytes) -> None:
    """Write all of it to standard output."""
    while frame:
        frame = frame[os.write(1, frame) :]


def relay(netlink: socket.socket) -> None:
    """Pass datagrams until standard input ends."""
    pending = b""
    while True:
        ready = select.select([0, netlink.fileno()], [], [])[0]
        if netlink.fileno() in ready:
            datagram = netlink.recv(DATAGRAM)
            write(LENGTH.pack(len(datagram)) + datagram)
        if 0 in ready:
            block = os.read(0, 1 << 16)
            if not block:
                return
            pending += block
            while len(pending) >= LENGTH.size:
                end = LENGTH.size + LENGTH.unpack_from(pending)[0]
                if len(pending) < end:
                    break
                netlink.send(pending[LENGTH.size : end])
                pending = pending[end:]


def main() -> None:
    """Open the socket with a large buffer and error texts, announce that, and relay."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        netlink.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        netlink.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        netlink.bind((0, 0))
        write(LENGTH.pack(0))
        relay(netlink)


if __name__ == "__main__":
    main()

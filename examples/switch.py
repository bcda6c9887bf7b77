#!/usr/bin/env python3
"""A learning switch to start from: its arguments are its ports, it prints "ready" when it listens.

Python's standard library alone; each port is a socket that sends and gets whole Ethernet frames.
"""

import select
import socket
import sys

ALL_FRAMES = 3  # ETH_P_ALL of linux/if_ether.h; all others of linux/if_packet.h
SO_RCVBUFFORCE = 33  # asm-generic/socket.h
SOL_PACKET, ADD_MEMBERSHIP, IGNORE_OUTGOING, PROMISCUOUS = 263, 1, 23, 1


def opened(device):
    """Return the socket of a port: it gets what comes in, for whomever, not what it sends."""
    port = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    port.setsockopt(SOL_PACKET, IGNORE_OUTGOING, 1)
    port.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)  # room for bursts, in bytes
    index = socket.if_nametoindex(device)
    wish = index.to_bytes(4, sys.byteorder) + PROMISCUOUS.to_bytes(2, sys.byteorder) + bytes(10)
    port.setsockopt(SOL_PACKET, ADD_MEMBERSHIP, wish)
    port.bind((device, ALL_FRAMES))
    port.setblocking(False)
    return port


ports = [opened(device) for device in sys.argv[1:]]
learnt = {}  # at which port a MAC address was seen last
print("ready", flush=True)
while True:
    for port in select.select(ports, [], [])[0]:
        try:
            frame = port.recv(65536)
        except OSError:  # the port went down (ENETDOWN); when it is up again, frames come again
            continue
        to, sender = frame[:6], frame[6:12]
        learnt[sender] = port
        group = to[0] & 1  # broadcast or multicast: to everybody
        known = None if group else learnt.get(to)
        for out in ports if known is None else [known]:
            if out is not port:
                try:  # what should become of the frame is yours to say: drop, delay, change, count
                    out.send(frame)
                except OSError:  # that port is down, or its queue is full: the frame is lost
                    pass

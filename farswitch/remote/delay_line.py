"""Delay what a rule of nft forwards to a TAP, and send it on by the interface it came from.

Usage: python3 delay_line.py DEVICE TAP DELAY_US JITTER_US MARK ALIAS TABLE

It makes TAP, prints "ready", and works until TAP is deleted. What it sends has the mark, by which
the rule lets it pass. Order is kept. A process of its own waits for its end, whatever that is, and
then removes TABLE, the nft table of the rule, unless another one has taken its place: frames are
not delayed any more, but none is lost.

It is for a stand-in of a server: it takes a processor for the time of the last 150 microseconds
before a frame is due, and frames wait for each other.
"""

from __future__ import annotations

import collections
import ctypes
import fcntl
import os
import random
import re
import select
import socket
import struct
import subprocess
import sys
import time
from contextlib import suppress

TUNSETIFF, TUNSETOFFLOAD = 0x400454CA, 0x400454D0
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
OFFLOADS = 0x01 | 0x02 | 0x04 | 0x08
"""TUN_F_CSUM, TSO4, TSO6 and TSO_ECN of <linux/if_tun.h>: a frame may hold many."""
SOL_PACKET, PACKET_VNET_HDR = 263, 15
SO_MARK, SO_SNDBUFFORCE = 36, 32
PR_SET_TIMERSLACK = 29
LONGEST = 70_000
MOST = 65_536
"""Frames that wait at most: the kernel's TAP takes the others, as long as it has room."""
AT_ONCE = 64
SPIN = 150_000
"""Nanoseconds before a frame is due from which on it is waited for without sleep."""
OWN = 40_000
"""Nanoseconds that a frame takes to get here and away again, beside what it waits: taken off."""


def make_tap(name: str, alias: str) -> int:
    """Make the TAP, and return what its frames are read from."""
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
    fcntl.ioctl(tap, TUNSETOFFLOAD, OFFLOADS)
    words = "alias", alias, "mtu", "65000", "txqueuelen", "20000", "arp", "off"
    subprocess.run(["ip", "link", "set", "dev", name, *words, "addrgenmode", "none"], check=True)
    subprocess.run(["ip", "link", "set", "dev", name, "up"], check=True)
    return tap


def sender(device: str, mark: int) -> socket.socket:
    """Return the socket that sends by the interface."""
    out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    out.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    out.setsockopt(socket.SOL_SOCKET, SO_MARK, mark)
    out.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 16 << 20)
    out.bind((device, 0))
    return out


def hurry() -> None:
    """Go before others that want a processor, and sleep no longer than asked."""
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)


def carry(tap: int, out: socket.socket, delay: int, jitter: int) -> None:
    """Carry frames, with times in nanoseconds, until the TAP is gone."""
    held: collections.deque[tuple[int, bytes]] = collections.deque()
    clock, last = time.monotonic_ns, 0
    while True:
        while held and held[0][0] <= clock():
            with suppress(OSError):  # the interface is down: as without us, the frame is lost
                out.send(held.popleft()[1])
        left = held[0][0] - clock() if held else 1_000_000_000
        # `select` takes microseconds, where the `poll` of Python takes whole milliseconds.
        if not select.select([tap], [], [], max(0, left - SPIN) / 1e9)[0]:
            continue
        now = clock()
        for _ in range(AT_ONCE if len(held) < MOST else 0):
            try:
                frame = os.read(tap, LONGEST)
            except BlockingIOError:
                break
            off = random.uniform(-jitter, jitter)  # noqa: S311 - it hides nothing
            last = max(now + delay + int(off), last)
            held.append((last, frame))


def remove(table: str, name: str) -> None:
    """Remove the table of a line that has ended, and no other that has its name since.

    A table that took its place delays nothing, or has a line of its own: a TAP of that name.
    """
    listed = subprocess.run(
        ["nft", "-a", "list", "table", "netdev", table],
        capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    handle = re.search(r"# handle (\d+)", listed)
    with suppress(OSError):
        socket.if_nametoindex(name)
        return
    if handle and re.search(r'comment ".*[: ]delay \d', listed):
        subprocess.run(["nft", "delete", "table", "netdev", "handle", handle[1]], check=False)


def main() -> None:
    """Start, and leave a process that waits for the end."""
    device, name, delay, jitter, mark, alias, table = sys.argv[1:]
    tap, out = make_tap(name, alias), sender(device, int(mark))
    if os.fork():
        os.close(tap)
        print("ready", flush=True)
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (1, 2):
            os.dup2(null, stream)
        os.wait()
        remove(table, name)
        return
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (1, 2):
        os.dup2(null, stream)
    hurry()
    with suppress(OSError):
        carry(tap, out, max(0, int(delay) * 1000 - OWN), int(jitter) * 1000)


if __name__ == "__main__":
    main()

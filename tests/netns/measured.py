"""What a port does to frames, measured by numbered datagrams between guests that are namespaces.

All namespaces have one clock, so a datagram's time on the way is known without a way back.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from statistics import median

from farswitch.connections.shell.local import LocalShell
from farswitch.deadline import Deadline, wait_until

_RECEIVE = """
import ctypes, json, os, select, socket, struct, sys, time
try:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(20))
except OSError:
    pass
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
sock.setsockopt(socket.SOL_SOCKET, 35, 1)  # SO_TIMESTAMPNS
sock.bind((sys.argv[1], 9000))
print("listens", flush=True)
got, length = [], 0
while True:
    data, extra, _, _ = sock.recvmsg(2048, 64)
    number, sent = struct.unpack_from("=QQ", data)
    if number == 2**64 - 1:
        break
    seconds, rest = struct.unpack("=qq", extra[0][2])
    got.append((number, sent, seconds * 10**9 + rest, len(data)))
print(json.dumps(got), flush=True)
"""
_SEND = """
import os, socket, struct, sys, time
to, count, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
gap = int(float(sys.argv[4]) * 1e9)
try:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(15))
except OSError:
    pass
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, 32, 64 << 20)  # SO_SNDBUFFORCE
sock.connect((to, 9000))
rest, due = bytes(size - 16), time.time_ns()
for number in range(count):
    while (now := time.time_ns()) < due:
        time.sleep((due - now) / 1e9)
    sock.send(struct.pack("=QQ", number, now) + rest)
    due = now + gap
for _ in range(20):
    time.sleep(0.1)
    try:
        sock.send(struct.pack("=QQ", 2**64 - 1, 0) + rest)
    except ConnectionRefusedError:
        break  # one came, and nobody listens any more
"""


@dataclass(frozen=True)
class Stream:
    """What arrived of a stream: `delays` in seconds, `rate` in bits per second of its frames."""

    sent: int
    delays: Sequence[float]
    rate: float

    @property
    def lost(self) -> int:
        return self.sent - len(self.delays)

    @property
    def median(self) -> float:
        return median(self.delays)


def line(process) -> str:
    text = b""
    while not text.endswith(b"\n"):
        block = process.read(1 << 16)
        assert block, process.stderr_tail()
        text += block
    return text.decode()


def streamed(
    sender: LocalShell, receiver: LocalShell, to: str, count: int, *, size: int = 64, gap: float = 0
) -> Stream:
    """Send datagrams of `size` bytes, one each `gap` seconds, 0 as fast as can be."""
    with closing(receiver.start(["python3", "-c", _RECEIVE, to])) as listening:
        assert line(listening) == "listens\n"
        sender.run(["python3", "-c", _SEND, to, str(count), str(size), str(gap)], timeout=300)
        got = json.loads(line(listening))
    seconds = (got[-1][2] - got[0][2]) / 1e9 if len(got) > 1 else 0.0
    headers = 42  # of Ethernet, IPv4 and UDP
    bits = 8 * sum(size + headers for *_, size in got[1:])
    return Stream(
        count, [(at - sent) / 1e9 for _, sent, at, _ in got], bits / seconds if seconds else 0
    )


_BLAST = """
import socket, struct, sys, time
to, seconds = sys.argv[1], float(sys.argv[2])
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, 32, 64 << 20)  # SO_SNDBUFFORCE
sock.setsockopt(17, 103, 1400)  # UDP_SEGMENT: the kernel makes 40 frames of each, late
sock.connect((to, 9))
data, end = bytes(1400 * 40), time.monotonic() + seconds
while time.monotonic() < end:
    try:
        sock.send(data)
    except OSError:
        pass
"""
_COUNT = """
import socket, sys, time
to, count, gap = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, 32, 64 << 20)  # SO_SNDBUFFORCE
sock.connect((to, 9))
sent = 0
while sent < count:
    try:
        sock.send(bytes(64))
        sent += 1
    except ConnectionRefusedError:
        pass
    if sent % gap == 0:
        time.sleep(0.002)
"""


def counters(box: LocalShell) -> tuple[int, int]:
    """Return the packets and bytes that a guest's data NIC has received."""
    shown = json.loads(box.run(("ip", "-j", "-s", "link", "show", "dev", "data0")).stdout)
    received = shown[0]["stats64"]["rx"]
    return received["packets"], received["bytes"]


def steady_rate(sender: LocalShell, receiver: LocalShell, to: str, seconds: float = 2.0) -> float:
    """Return the bits per second of frames that arrive while more are sent: of the middle part."""
    with closing(sender.start(["python3", "-c", _BLAST, to, str(seconds + 2)])):
        first, began = _moved(receiver), time.monotonic()
        Deadline(seconds).wait(threading.Event())
        return 8 * (counters(receiver)[1] - first) / (time.monotonic() - began)


def _moved(receiver: LocalShell) -> int:
    """Return the bytes that arrived, as soon as the queue of a rate has filled up."""
    before = counters(receiver)[1]
    wait_until(lambda: counters(receiver)[1] > before, Deadline(10), what="The stream")
    Deadline(0.3).wait(threading.Event())
    return counters(receiver)[1]


def lost_of(sender: LocalShell, receiver: LocalShell, to: str, count: int) -> int:
    """Send datagrams, and return how many of their frames did not arrive."""
    before = counters(receiver)[0]
    sender.run(["python3", "-c", _COUNT, to, str(count), "64"], timeout=300)
    Deadline(0.5).wait(threading.Event())
    return count - (counters(receiver)[0] - before)

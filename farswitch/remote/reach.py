"""Reach other nodes from one, while they do the same: all by ICMP at several sizes, some by TCP.

Usage: python3 - JSON       (the program on its standard input)

    {"name": "node1", "nic": "data0", "address": A, "peers": {"node2": B, ...}, "mtu": 1450,
     "meets": ["node2", ...], "ports": [P, ...], "bytes": 262144, "answer": 1.0, "patience": 6,
     "deadline": 15}

It listens on each port of its data address and connects to each of the peers that it meets, which
meet it too. A peer that refuses is not listening yet: it is asked again for `deadline` seconds in
all; a silent one for `patience`, an echo's for `answer`. It prints one JSON document: the NIC's
MTU, and what was found out about each peer. It ends when all peers that it reached are done with
it, or at the deadline.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import select
import signal
import socket
import struct
import sys
import threading
import time
from pathlib import Path
from typing import Any

from farswitch.remote.packet_bytes import between, echo_request

IP_MTU_DISCOVER, PMTUDISC_PROBE = 10, 3
"""DF, and only the device bounds the size (ip(7))."""
SOL_RAW, ICMP_FILTER, ECHO_REPLY = 255, 1, 0
"""Only answers are received, not what others ask (raw(7))."""
HEADERS = 20 + 8
"""Bytes of the IPv4 and ICMP headers of an echo (RFC 791, RFC 792)."""
SMALL = 84
ATTEMPTS = 3
"""How often an echo is sent."""
SILENCE, PAUSE = 3.0, 0.1
"""Seconds that a late attempt to connect gets in any case, and between two attempts."""
GREETING = b"farswitch\n"
DIGEST = hashlib.sha256().digest_size
ASKED: dict[str, Any] = json.loads(sys.argv[1])
START = time.monotonic()
served: set[str] = set()
ready = threading.Condition()


def left(seconds: float) -> float:
    """Return what is left of some seconds after the start; never nothing, which means blocking."""
    return max(0.05, START + seconds - time.monotonic())


# --- what this node does for the others


def serve(listener: socket.socket) -> None:
    """Answer everyone who connects."""
    with contextlib.suppress(OSError):
        while True:
            one, _ = listener.accept()
            threading.Thread(target=attend, args=(one,), daemon=True).start()


def attend(one: socket.socket) -> None:
    """Greet, read `NAME SIZE` and that many bytes, answer with their digest."""
    with one, contextlib.suppress(OSError, ValueError):
        one.settimeout(left(ASKED["deadline"]))
        one.sendall(GREETING)
        stream = one.makefile("rb")
        words = stream.readline().decode().split()
        if len(words) != 2:  # noqa: PLR2004 - only the port was tried
            return
        one.sendall(hashlib.sha256(stream.read(int(words[1]))).digest())
        with ready:
            served.add(words[0])
            ready.notify_all()


def listen() -> None:
    """Listen on all ports; one that another process has is that one's to answer."""
    for port in ASKED["ports"]:
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((ASKED["address"], port))
            one.listen(128)
        except OSError:
            one.close()
        else:
            threading.Thread(target=serve, args=(one,), daemon=True).start()


# --- what it wants from them


def knock(address: str, found: dict[str, str]) -> None:
    """Connect to all ports of a peer side by side; note an error for each, empty where it opens."""
    waiting: dict[socket.socket, tuple[int, float]] = {}
    again = list(ASKED["ports"])
    while waiting or again:
        for port in again:
            one = socket.socket()
            one.settimeout(0)
            one.bind((ASKED["address"], 0))
            code = one.connect_ex((address, port))
            if code not in {0, errno.EINPROGRESS}:
                one.close()
                found[str(port)] = os.strerror(code)
                continue
            waiting[one] = (port, time.monotonic() + max(SILENCE, left(ASKED["patience"])))
        again = []
        _, decided, _ = select.select([], list(waiting), [], PAUSE)
        now = time.monotonic()
        for one in [one for one in waiting if one in decided or now > waiting[one][1]]:
            port, _ = waiting.pop(one)
            code = one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            one.close()
            if code == errno.ECONNREFUSED and now < START + ASKED["deadline"]:
                again.append(port)
            found[str(port)] = (os.strerror(code) if code else "") if one in decided else "silence"
        if again:
            threading.Event().wait(PAUSE)


def visit(name: str, found: dict[str, Any]) -> None:
    """Try all ports of one peer, and send the payload to the first that is ours."""
    address = ASKED["peers"][name]
    knock(address, found["ports"])
    for port in [int(port) for port, why in found["ports"].items() if not why]:
        with contextlib.suppress(OSError), meet(address, port) as one:
            found["reached"] = True
            found["tcp"] = payload(one)
            break
    if found["reached"] and found["tcp"]:  # nothing more comes from here: it need not wait
        with contextlib.suppress(OSError), meet(address, port) as one:
            exchange(one, b"")


def meet(address: str, port: int) -> socket.socket:
    """Connect to our program on a peer.

    Raises:
        OSError: There is none.
    """
    one = socket.create_connection((address, port), ASKED["patience"], (ASKED["address"], 0))
    with contextlib.suppress(OSError):
        if one.recv(len(GREETING), socket.MSG_WAITALL) == GREETING:
            return one
    one.close()
    raise OSError("another process has the port")


def payload(one: socket.socket) -> str:
    """Send the payload; return what is wrong, empty when the same bytes arrived."""
    data = os.urandom(1 << 16) * (ASKED["bytes"] >> 16)
    began = time.monotonic()
    try:
        answer = exchange(one, data)
    except OSError as error:
        return f"{said(error)} after {time.monotonic() - began:.1f} s"
    return "" if answer == hashlib.sha256(data).digest() else "other bytes arrived"


def exchange(one: socket.socket, data: bytes) -> bytes:
    """Send bytes under our name; return the digest that comes back."""
    one.sendall(f"{ASKED['name']} {len(data)}\n".encode() + data)
    return one.makefile("rb").read(DIGEST)


def said(error: OSError) -> str:
    """Return an error's own words."""
    return error.strerror or str(error)


# --- ICMP


class Pinger:
    """Echo requests with DF to many peers at a time."""

    def __init__(self) -> None:
        self.raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self.raw.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_PROBE)
        others = ~(1 << ECHO_REPLY) & 0xFFFFFFFF
        self.raw.setsockopt(SOL_RAW, ICMP_FILTER, struct.pack("=I", others))
        self.raw.bind((ASKED["address"], 0))
        self.identity = os.getpid() & 0xFFFF
        self.errors: dict[tuple[str, int], str] = {}

    def passing(self, wanted: set[tuple[str, int]], attempts: int) -> set[tuple[str, int]]:
        """Return which (address, size) were answered."""
        found: set[tuple[str, int]] = set()
        for _ in range(attempts):
            waiting: set[tuple[str, int]] = set()
            for one in sorted(wanted - found):
                if self._send(*one):
                    waiting.add(one)
                found |= self._answers(0.0) & wanted  # unread, many fill what the socket holds
            end = time.monotonic() + ASKED["answer"]
            while waiting - found and time.monotonic() < end:
                found |= self._answers(end) & wanted
            if not waiting - found:
                break
        return found

    def _send(self, address: str, size: int) -> bool:
        body = struct.pack("!I", size).ljust(size - HEADERS, b"\0")
        try:
            self.raw.sendto(echo_request(self.identity, body), (address, 0))
        except OSError as error:
            self.errors[address, size] = said(error)
            return False
        self.errors.pop((address, size), None)
        return True

    def _answers(self, end: float) -> set[tuple[str, int]]:
        if not select.select([self.raw], [], [], max(0.0, end - time.monotonic()))[0]:
            return set()
        packet, (address, _) = self.raw.recvfrom(1 << 16)
        message = packet[(packet[0] & 15) * 4 :]
        if len(message) < 12:  # noqa: PLR2004  (somebody else's, without a payload)
            return set()
        kind, _, _, identity, _, size = struct.unpack_from("!BBHHHI", message)
        return {(address, size)} if kind == ECHO_REPLY and identity == self.identity else set()


def ping(found: dict[str, dict[str, Any]]) -> None:
    """Ping all peers: small, exact, one byte more; then search what the small ones pass."""
    pinger, mtu, peers = Pinger(), ASKED["mtu"], ASKED["peers"]
    passed = pinger.passing(
        {(to, size) for to in peers.values() for size in (SMALL, mtu)}, ATTEMPTS
    )
    passed |= pinger.passing({(to, mtu + 1) for to in peers.values()}, 1)
    bounds = {to: (SMALL, mtu) for to in peers.values() if (to, SMALL) in passed}
    bounds = {to: gap for to, gap in bounds.items() if (to, mtu) not in passed}
    while wide := {to: gap for to, gap in bounds.items() if gap[1] - gap[0] > 1}:
        asked = {(to, size) for to, gap in wide.items() for size in between(*gap)}
        arrived = pinger.passing(asked, 1)
        passed |= arrived
        for to, (low, high) in wide.items():
            most = max([low, *(size for address, size in arrived if address == to)])
            bounds[to] = (most, min(size for size in (*between(low, high), high) if size > most))
    for name, to in peers.items():
        sizes = [size for address, size in passed if address == to]
        found[name]["icmp"] = (to, SMALL) in passed
        found[name]["exact"] = (to, mtu) in passed
        found[name]["more"] = (to, mtu + 1) in passed
        found[name]["largest"] = max(sizes, default=0)
        found[name]["error"] = pinger.errors.get((to, mtu), pinger.errors.get((to, SMALL), ""))


def blank() -> dict[str, Any]:
    """Return what is known of a peer before it was asked; threads change values, never keys."""
    return {
        "ports": {str(port): "not tried" for port in ASKED["ports"]},
        "reached": False, "tcp": "no port opens", "icmp": False, "exact": False, "more": False,
        "largest": 0, "error": "",
    }  # fmt: skip


def main() -> None:
    """Do all at once, wait for the peers that are there, and print what was found."""
    signal.alarm(ASKED["deadline"] + 5)
    listen()
    found = {name: blank() for name in ASKED["peers"]}
    met = [(name, found[name]) for name in ASKED["meets"]]
    jobs = [threading.Thread(target=visit, args=one, daemon=True) for one in met]
    jobs.append(threading.Thread(target=ping, args=(found,), daemon=True))
    for job in jobs:
        job.start()
    for job in jobs:
        job.join(left(ASKED["deadline"]))
    reached = {name for name, one in found.items() if one["reached"]}
    with ready:
        ready.wait_for(lambda: reached <= served, left(ASKED["deadline"]))
    mtu = Path(f"/sys/class/net/{ASKED['nic']}/mtu").read_text(encoding="ascii")
    print(json.dumps({"mtu": int(mtu), "peers": found}), flush=True)


main()

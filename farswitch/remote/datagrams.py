"""Send numbered datagrams at a fixed rate, or receive them and count what is missing.

Usage: python3 datagrams.py receive ADDRESS SECONDS
       python3 datagrams.py send ADDRESS PORT RATE SECONDS

The receiver prints {"port": PORT}, the sender {"sending": true} with its first datagram. Each goes
on until it reads a line, or its input ends, and for SECONDS at most, and prints its figures:
{"sent": COUNT}; {"received": COUNT, "doubled": COUNT, "silence_ms": MILLISECONDS}. The silence is
the longest time between two datagrams that came for the first time (RFC 6201, 4.1: the method of
timestamps).
"""

from __future__ import annotations

import json
import select
import signal
import socket
import struct
import sys
import time
from contextlib import suppress

NUMBER = struct.Struct("!4sQ")
MARK = b"fsdg"
SO_RCVBUFFORCE = 33  # asm-generic/socket.h
QUIET = 0.5
"""Seconds without a datagram after which none is under way any more."""


def send(plug: socket.socket, rate: float, end: float) -> int:
    """Send until told to end; what is behind its time is sent at once. Return how many."""
    began, sent = time.monotonic(), 0
    while time.monotonic() < end:
        due = began + sent / rate
        if select.select([sys.stdin], [], [], max(0.0, due - time.monotonic()))[0]:
            break
        with suppress(OSError):  # a route that is down: lost like any other
            plug.send(NUMBER.pack(MARK, sent))
        sent += 1
    return sent


def receive(plug: socket.socket, end: float) -> dict[str, object]:
    """Receive until told to end, and until nothing more comes; return the figures."""
    seen: set[int] = set()
    doubled, silence, latest, told = 0, 0.0, None, False
    while time.monotonic() < end:
        ready = select.select([plug] if told else [plug, sys.stdin], [], [], QUIET)[0]
        if sys.stdin in ready:
            told = True
        if plug in ready:
            mark, number = NUMBER.unpack(plug.recv(2048).ljust(NUMBER.size, b"\0")[: NUMBER.size])
            now = time.monotonic()
            if mark != MARK:
                continue
            if number in seen:
                doubled += 1
                continue
            seen.add(number)
            silence = max(silence, now - latest) if latest is not None else 0.0
            latest = now
        elif told and not ready:
            break
    return {"received": len(seen), "doubled": doubled, "silence_ms": round(1000 * silence, 1)}


def main() -> None:
    """Send or receive."""
    role, address, *numbers = sys.argv[1:]
    seconds = float(numbers[-1])
    signal.alarm(int(seconds) + 5)
    end = time.monotonic() + seconds
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plug:
        if role == "send":
            plug.connect((address, int(numbers[0])))
            print(json.dumps({"sending": True}), flush=True)
            print(json.dumps({"sent": send(plug, float(numbers[1]), end)}), flush=True)
        else:
            plug.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 22)
            plug.bind((address, 0))
            print(json.dumps({"port": plug.getsockname()[1]}), flush=True)
            print(json.dumps(receive(plug, end)), flush=True)


if __name__ == "__main__":
    main()

"""Measure the way between two guests: round trips, frames lost, and how fast they arrive.

Usage: python3 port_figures.py answer ADDRESS SECONDS
       python3 port_figures.py ask ADDRESS PORT ECHOES COUNT SIZE GAP

`answer` prints {"port": PORT}, sends echoes back, and counts datagrams until its input ends, for
SECONDS at most; then {"received": COUNT, "seconds": FIRST TO LAST, "bytes": OF ALL BUT THE FIRST}.
`ask` sends ECHOES one after the other, then COUNT datagrams of SIZE bytes, one each GAP seconds,
and prints {"round_trips": [SECONDS...], "sent": COUNT}; an echo that does not come back has none.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import sys
import time

ECHO, COUNTED = b"fse", b"fsc"
NUMBER = struct.Struct("=3sI")
PATIENCE = 2.0
"""Seconds that an echo is waited for."""
PERIOD = 0.01
"""Seconds between two echoes."""
QUIET = 0.5
"""Seconds without a datagram after which none is under way any more."""
SO_RCVBUFFORCE = 33  # asm-generic/socket.h


def answer(plug: socket.socket, end: float) -> dict[str, float]:
    """Answer until the input ends and nothing more comes; return what was counted."""
    received, size, first, last, told = 0, 0, 0.0, 0.0, False
    while time.monotonic() < end:
        ready = select.select([plug] if told else [plug, sys.stdin], [], [], QUIET)[0]
        if sys.stdin in ready:
            told = True
        if plug in ready:
            data, sender = plug.recvfrom(65535)
            if data[:3] == ECHO:
                plug.sendto(data, sender)
            elif data[:3] == COUNTED:
                last = time.monotonic()
                first = first or last
                size += len(data) if received else 0
                received += 1
        elif told and not ready:
            break
    return {"received": received, "seconds": last - first, "bytes": size}


def echoes(plug: socket.socket, count: int) -> list[float]:
    """Return the round trips of echoes that came back."""
    found = []
    for number in range(count):
        data, began = NUMBER.pack(ECHO, number), time.monotonic()
        plug.send(data)
        while (left := began + PATIENCE - time.monotonic()) > 0:
            if select.select([plug], [], [], left)[0] and plug.recv(2048) == data:
                found.append(time.monotonic() - began)
                break
        time.sleep(PERIOD)
    return found


def send(plug: socket.socket, count: int, size: int, gap: float) -> None:
    """Send datagrams; what is behind its time is sent at once."""
    began, rest = time.monotonic(), bytes(size - NUMBER.size)
    for number in range(count):
        left = began + number * gap - time.monotonic()
        if left > 0:
            time.sleep(left)
        plug.send(NUMBER.pack(COUNTED, number) + rest)


def main() -> None:
    """Answer or ask."""
    role, address, *numbers = sys.argv[1:]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plug:
        if role == "answer":
            plug.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
            plug.bind((address, 0))
            print(json.dumps({"port": plug.getsockname()[1]}), flush=True)
            print(json.dumps(answer(plug, time.monotonic() + float(numbers[0]))), flush=True)
            return
        port, asked, count, size = map(int, numbers[:4])
        plug.connect((address, port))
        trips = echoes(plug, asked)
        send(plug, count, size, float(numbers[4]))
        print(json.dumps({"round_trips": trips, "sent": count}))


if __name__ == "__main__":
    main()

"""Ask addresses for an ICMP echo, again and again, and print those that answered as JSON.

Usage: python3 echo.py SECONDS ADDRESS...   (as root; not every image has a ping)

It ends as soon as all have answered, and after SECONDS in any case.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import time

from farswitch.remote.packet_bytes import echo_request

PERIOD = 0.25
"""Seconds between two questions to one address."""
REPLY, HEAD = b"\0", 8
"""The type of an echo's reply, and the bytes before what it carries (RFC 792)."""


def ask(plug: socket.socket, word: bytes, addresses: set[str], seconds: float) -> set[str]:
    """Return those of the addresses that answered in time."""
    answered: set[str] = set()
    request, due, end = echo_request(0, word), 0.0, time.monotonic() + seconds
    while answered < addresses and (now := time.monotonic()) < end:
        if now >= due:
            due = now + PERIOD
            for address in addresses - answered:
                try:
                    plug.sendto(request, (address, 0))
                except OSError:  # the kernel knows already that nobody is there
                    continue
        if select.select([plug], [], [], max(0.0, min(due, end) - now))[0]:
            packet, (sender, _) = plug.recvfrom(2048)
            body = packet[4 * (packet[0] & 0xF) :]
            if body[:1] == REPLY and body[HEAD:] == word:
                answered |= {sender} & addresses
    return answered


def main() -> None:
    """Ask and print."""
    seconds, *addresses = sys.argv[1:]
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as plug:
        print(json.dumps(sorted(ask(plug, os.urandom(16), set(addresses), float(seconds)))))


main()

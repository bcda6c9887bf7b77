"""Send numbered frames as they are given, round after round, and say in JSON how many went out.

Usage: python3 attack_send.py <PLAN   where PLAN is JSON:
  {"token": HEX, "gap": SECONDS a round, "streams": [{"interface", "count", "frames": [HEX, ...]}]}
Each frame has the token, 4 bytes that say what it is, then 4 bytes for its number.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import time
from typing import Any

LABEL = 4
"""Bytes between the token and the number."""


def numbered(frame: bytes, token: bytes, number: int) -> bytes:
    """Return the frame with its number, and its complement: so no checksum around it changes."""
    at = frame.index(token) + len(token) + LABEL
    return frame[:at] + struct.pack("!HH", number, 0xFFFF - number) + frame[at + 4 :]


def send(plan: dict[str, Any]) -> dict[str, Any]:
    """Send all streams side by side, a frame of each a round."""
    token, streams = bytes.fromhex(plan["token"]), plan["streams"]
    frames = [[bytes.fromhex(one) for one in stream["frames"]] for stream in streams]
    sent, errors = [0] * len(streams), [""] * len(streams)
    sockets = {}
    for name in {stream["interface"] for stream in streams}:
        sockets[name] = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        sockets[name].bind((name, 0))
    due = time.monotonic()
    for number in range(max(stream["count"] for stream in streams)):
        for at, stream in enumerate(streams):
            if number >= stream["count"]:
                continue
            frame = frames[at][number % len(frames[at])]
            try:
                sockets[stream["interface"]].send(numbered(frame, token, number))
                sent[at] += 1
            except OSError as error:
                errors[at] = errors[at] or str(error)
        due += plan["gap"]
        time.sleep(max(0.0, due - time.monotonic()))
    return {"sent": sent, "errors": errors}


if __name__ == "__main__":
    print(json.dumps(send(json.load(sys.stdin))))

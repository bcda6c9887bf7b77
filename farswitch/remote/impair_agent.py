"""Change ports of this server at the moments of a plan, by this server's own clock.

Usage: python3 impair_agent.py, with the plan as a line of JSON on standard input:

  {"at_once": BOOL, "seconds": SECONDS, "last": [...],
   "steps": [{"at": SECONDS, "name": TEXT, "changes": [...]}]}

No change begins later than `seconds` after the start, where they are not 0: a timer may undo it by
then. Where it is not to begin at once, it answers each line {"start": null} with {"now": SECONDS},
of this server's monotonic clock, and begins at the moment of a line {"start": SECONDS}. Of a step,
`at` is counted from that. It prints a line of JSON a step: {"name", "at", "began", "ended",
"error"}, the true moments counted in the same way. When its input ends while it waits, or brings
another line, what is `last` is done at once, each change whatever became of those before, it prints
{"ended": SECONDS, "error": TEXT}, and ends.

A change is {"netlink": HEX}, a request to the kernel; {"nft": TEXT}; {"whole": INTERFACE}, whose
frames then leave whole; or {"start": [COMMAND...]}, a program that prints a line when it is ready
and goes on by itself. With "may_fail" what the kernel refuses is passed over.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

from farswitch.remote.whole_frames import set_whole

ERROR, MESSAGE = 2, 1
"""NLMSG_ERROR and NLMSGERR_ATTR_MSG of <linux/netlink.h>."""
SOL_NETLINK, NETLINK_CAP_ACK, NETLINK_EXT_ACK = 270, 10, 11
WORDS_AT = 36
"""Where a refusal's attributes begin: behind its header, the error, and the request's header."""
SPIN = 0.002
"""Seconds before a moment from which on it is waited for without sleep."""


class ChangeError(Exception):
    """Something refused a change, in its words."""


def request(data: bytes) -> None:
    """Send requests to the kernel, one after the other, and raise what it refuses."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
        kernel.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        kernel.bind((0, 0))
        while data:
            (length,) = struct.unpack_from("=I", data)
            kernel.send(data[:length])
            data = data[(length + 3) & ~3 :]
            reply = kernel.recv(1 << 16)
            kind, error = struct.unpack_from("=4xH10xi", reply)
            if kind == ERROR and error:
                raise ChangeError(reason(reply) or os.strerror(-error))


def reason(reply: bytes) -> str:
    """Return the kernel's own words in a refusal, if it has some."""
    at = WORDS_AT
    while at + 4 <= len(reply):
        length, kind = struct.unpack_from("=HH", reply, at)
        if kind == MESSAGE:
            return reply[at + 4 : at + length].rstrip(b"\0").decode(errors="replace")
        at += max(4, (length + 3) & ~3)
    return ""


def nft(text: str) -> None:
    """Have nft carry out a text."""
    pipe = subprocess.PIPE
    done = subprocess.run(
        ["nft", "-f", "-"], input=text.encode(), stdout=pipe, stderr=pipe, check=False
    )
    if done.returncode:
        raise ChangeError("nft: " + done.stderr.decode(errors="replace").strip())


def start(argv: list[str]) -> None:
    """Start a program that goes on by itself, and wait until it is ready."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=pipe,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        assert process.stdout  # noqa: S101 - for the type checker
        said = process.stdout.readline().decode(errors="replace").strip()
        process.stdout.close()
        if said != "ready":
            raise ChangeError(said or "a program ended without a word")
        process.returncode = 0  # it goes on: nobody waits for it


def change(one: dict[str, Any]) -> None:
    """Make one change."""
    try:
        if "netlink" in one:
            request(bytes.fromhex(one["netlink"]))
        elif "nft" in one:
            nft(one["nft"])
        elif "whole" in one:
            set_whole(one["whole"])
        else:
            start(one["start"])
    except (ChangeError, OSError):
        if not one.get("may_fail"):
            raise


def make(changes: list[dict[str, Any]], until: float = float("inf")) -> str:
    """Make changes, and return why one could not be made; those behind it are not tried then."""
    try:
        for one in changes:
            if time.monotonic() > until:
                return "the server is too slow: it came to no end in time"
            change(one)
    except (ChangeError, OSError) as error:
        return str(error)
    return ""


def wait(until: float) -> bool:
    """Wait for a moment of the monotonic clock; False: standard input had something before it."""
    while True:
        left = until - time.monotonic()
        if left <= SPIN:
            while time.monotonic() < until:
                pass
            return True
        if select.select([0], [], [], left - SPIN)[0]:
            return False


def stop(_number: int, _frame: object) -> None:
    """Close the input, as if who wrote it had ended."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)


def report(document: dict[str, Any]) -> None:
    """Say something; where nobody listens any more, the next wait ends by that."""
    with suppress(BrokenPipeError):
        print(json.dumps(document), flush=True)


def start_of() -> float:
    """Return the moment of the start; end where there is none."""
    while line := sys.stdin.buffer.readline():
        wanted = json.loads(line)["start"]
        if wanted is not None:
            return float(wanted)
        report({"now": time.monotonic()})
    raise SystemExit("the input ended before the start")


def main() -> None:
    """Read the plan and carry it out."""
    plan = json.loads(sys.stdin.buffer.readline())
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, stop)
    zero = time.monotonic() if plan["at_once"] else start_of()
    for step in plan["steps"]:
        if not wait(zero + step["at"]):
            errors = [error for one in plan["last"] if (error := make([one]))]
            report({"ended": time.monotonic() - zero, "error": "; ".join(errors)})
            return
        began = time.monotonic() - zero
        error = make(step["changes"], zero + plan["seconds"] if plan["seconds"] else float("inf"))
        times = {"began": began, "ended": time.monotonic() - zero, "error": error}
        report({"name": step["name"], "at": step["at"], **times})


if __name__ == "__main__":
    main()

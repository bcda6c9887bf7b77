"""A lab of the tests' own, beside whatever labs others use on this machine."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Network

import pytest

from farswitch.lab import control
from farswitch.lab.addresses import Lab
from farswitch.lab.run import PATH, run

WITH_GUESTS = (*control.PROGRAMS, "mmdebstrap", "nft", "qemu-img", "qemu-system-x86_64")
"""What a lab whose guests boot needs."""
FAILED = pytest.StashKey[bool]()
"""Whether a test, or what it needed, has failed: then its lab is no other test's."""
NUMBERS = 250
"""Third bytes of the subnets; those above are the benchmark's and the lab's own tests'."""


@contextmanager
def own_lab(kind: str, programs: Sequence[str] = control.PROGRAMS) -> Iterator[Lab]:
    """Yield the settings of a lab that nobody else uses; whatever stands of it goes at the end.

    Args:
        kind: How its name begins.
        programs: Without one of them, or without root, the test is skipped.
    """
    missing = [name for name in programs if shutil.which(name, path=PATH) is None]
    if os.geteuid() != 0 or missing:
        pytest.skip(f"needs root and {', '.join(missing) or 'nothing else'}")
    with socket.socket(socket.AF_UNIX) as claim:
        number = _claim(claim)
        lab = Lab(
            f"{kind}{os.getpid()}",
            IPv4Network(f"198.18.{number}.0/24"),  # for such tests, RFC 2544
            IPv4Network(f"198.19.{number}.0/24"),
        )
        try:
            yield lab
        finally:
            control.down(lab)


def _claim(claim: socket.socket) -> int:
    """Take a number that no run has, and of which no lab was left; it is ours until the close."""
    used = {route["dst"] for route in json.loads(run(["ip", "-j", "-4", "route", "show"]))}
    for number in range(NUMBERS):
        if f"198.18.{number}.0/24" in used:
            continue
        try:
            claim.bind(f"\0farswitch-tests-{number}")  # a name without a file: unix(7)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return number
    raise RuntimeError(f"all of 198.18.0.0 to 198.18.{NUMBERS - 1}.0 are in use")

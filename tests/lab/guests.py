"""Logins to guests by the ssh configuration that a build leaves to its user."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RING = "python3 /usr/local/lib/farswitch/ring.py"
UNPINNED = "env -u UCX_NET_DEVICES -u UCX_TLS"
SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Login:
    """One guest, and how its user comes in; `address` is on the data network."""

    configuration: Path
    name: str
    address: str

    def run(
        self, command: str, *, user: str = "mpi", stdin: str = "", seconds: float = SECONDS
    ) -> subprocess.CompletedProcess[str]:
        """Run a line of shell; `timeout` there ends what hangs."""
        limited = f"timeout -k 5 {seconds:.0f} sh -c {shlex.quote(command)}"
        return subprocess.run(
            ["ssh", "-F", str(self.configuration), "-l", user, self.name, limited],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=seconds + 60,
            check=False,
        )

    def good(
        self, command: str, *, user: str = "mpi", stdin: str = "", seconds: float = SECONDS
    ) -> str:
        """Run a line of shell that must end well and return what it printed."""
        ended = self.run(command, user=user, stdin=stdin, seconds=seconds)
        assert ended.returncode == 0, f"{self.name}: {command}: {ended.stdout} {ended.stderr}"
        return ended.stdout.strip()

    def root(self, command: str, *, stdin: str = "") -> str:
        """Run a line of shell as root that must end well."""
        return self.good(command, user="root", stdin=stdin)

    def answers(self) -> bool:
        """Return whether a login works now."""
        return self.run("true").returncode == 0

    def pings(self, address: str, options: str = "") -> bool:
        """Return whether an address answers one of two."""
        command = f"ping -q -n -c 2 -i 0.2 -W 2 {options} {address}"
        ended = self.run(command, user="root")
        assert ended.returncode in {0, 1}, ended.stderr
        return ended.returncode == 0


def mpiexec(guests: Sequence[Login], program: str, *, ranks: int | None = None) -> str:
    """Return the command that starts a program on guests, one rank each by default."""
    hosts = ",".join(guest.address for guest in guests)
    return f"mpiexec.mpich -np {ranks or len(guests)} -hosts {hosts} {program} </dev/null"


def names(guests: Sequence[Login]) -> list[str]:
    """Return the names of the nodes that an MPI program ran on."""
    said = ring(guests, 1)
    return sorted(said["nodes"])


def ring(guests: Sequence[Login], size: int, *, under: str = "") -> dict[str, Any]:
    """Send a message around all guests, started on the first, and return what the ring says."""
    command = mpiexec(guests, f"{under} {RING} {size}".strip())
    said: dict[str, Any] = json.loads(guests[0].good(command))
    assert said["intact"]
    return said


def counted(guests: Sequence[Login], nic: str) -> list[int]:
    """Return the bytes that a NIC of each guest received and sent so far, as the guest says."""
    command = f"cat /sys/class/net/{nic}/statistics/[rt]x_bytes"
    return [sum(map(int, guest.good(command).split())) for guest in guests]

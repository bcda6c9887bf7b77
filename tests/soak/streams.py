"""What runs between two guests for minutes, and of which nothing may get lost."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from farswitch.deadline import Deadline, wait_until
from tests.lab.clusters import ROOT
from tests.lab.guests import Login, mpiexec

LAPS = (ROOT / "farswitch/remote/mpi_laps.py").read_text(encoding="utf-8")
SHARED = "/shared/laps.py"
LONGEST = 3600
"""Seconds after which both end by themselves."""
RATE = 100
END_SECONDS = 60.0
_ANSWER = re.compile(r"icmp_seq=(\d+) ttl=")


@dataclass
class Stream:
    """A program of a guest that writes a line for each thing that came through."""

    process: subprocess.Popen[bytes]
    out: Path

    def lines(self) -> list[str]:
        """Return the whole lines so far."""
        return self.out.read_text(encoding="utf-8").rpartition("\n")[0].splitlines()

    def await_lines(self, count: int) -> None:
        """Wait until there are some more lines."""
        wanted = len(self.lines()) + count
        wait_until(
            lambda: len(self.lines()) >= wanted or self.process.poll() is not None,
            Deadline(END_SECONDS),
            what=f"{count} more lines in {self.out.name}",
        )
        assert self.process.poll() is None, self.out.read_text(encoding="utf-8")[-2000:]

    def end(self) -> list[str]:
        """Close its input, which ends it, and return its lines."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(END_SECONDS)
        return self.lines()


def ping(source: Login, target: Login, out: Path) -> Stream:
    """Ping from one guest to another, 100 times a second; the requests do not wait for answers."""
    line = f"ping -n -i {1 / RATE} -w {LONGEST} {target.address} & read end; kill -INT $!; wait"
    return _start(source, line, out, user="root")


def lost(lines: list[str]) -> tuple[int, list[int]]:
    """Return up to which request answers came, and which before it have none."""
    answered = {int(found[1]) for line in lines if (found := _ANSWER.search(line))}
    highest = max(answered, default=0)
    return highest, sorted(set(range(1, highest + 1)) - answered)


def ring(guests: list[Login], out: Path) -> Stream:
    """Pass a number around some guests by MPI, and tell each lap."""
    guests[0].good(f"cat >{SHARED}", stdin=LAPS)
    command = mpiexec(guests, f"python3 {SHARED} {LONGEST}").removesuffix(" </dev/null")
    return _start(guests[0], command, out)


def laps(lines: list[str]) -> list[int]:
    """Return the numbers of the laps that came back."""
    told = [json.loads(line) for line in lines if line.startswith("{")]
    return [one["lap"] for one in told if one["rung"] == "lap"]


def _start(guest: Login, line: str, out: Path, user: str = "mpi") -> Stream:
    argv = ["ssh", "-F", str(guest.configuration), "-l", user, guest.name, line]
    with out.open("wb") as file:
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=file, stderr=file)
    return Stream(process, out)

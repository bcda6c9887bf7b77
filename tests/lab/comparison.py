"""What is on a lab's servers, and how it differs from what was there before."""

from __future__ import annotations

import difflib
from pathlib import Path

from farswitch.deadline import Deadline, wait_until
from farswitch.lab import container
from farswitch.lab.addresses import Lab

Snapshot = dict[str, list[str]]


def observe(lab: Lab) -> Snapshot:
    """Return what is on each server, one thing a line."""
    program = Path(__file__).with_name("snapshot.py").read_text()
    return {
        name: container.execute(pid, ["python3", "-"], stdin=program, timeout=120.0).splitlines()
        for name, pid in container.find(lab).items()
    }


def settle(lab: Lab) -> None:
    """Wait until the servers' IPv6 addresses are theirs: their routes are there then too."""
    ask = ["ip", "-6", "-o", "address", "show", "tentative"]
    for name, pid in container.find(lab).items():
        wait_until(
            lambda pid=pid: not container.execute(pid, ask),
            Deadline(30),
            what=f"The end of the search for duplicate addresses on '{name}'",
        )


def compare(before: Snapshot, after: Snapshot) -> list[str]:
    """Return what one snapshot has and the other has not."""
    assert before.keys() == after.keys()
    return [
        f"{server}: {line}"
        for server in before
        for line in difflib.unified_diff(before[server], after[server], lineterm="", n=0)
        if not line.startswith(("---", "+++", "@@"))
    ]

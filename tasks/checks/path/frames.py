"""How many frames the switch lost or doubled: a measure, and no verdict: it may be meant to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest
from tasks.checks.path.counters import Count, CountedTransfers, Counts

FLOOR, SHARE = 20, 0.001
"""Frames of a guest that are not worth a line: those that are for all (ARP), and what is in the
switch's buffers when its ports are read."""


@dataclass(frozen=True, slots=True)
class SwitchedFrames:
    """What the switch took in from a guest that sent payload, and gave out to whom it was for."""

    guest: str
    taken: int = 0
    given: int = 0

    @property
    def lost(self) -> int:
        """Frames that did not come out; less than 0: that came out more than once."""
        return self.taken - self.given

    def __str__(self) -> str:
        what = "lost" if self.lost > 0 else "doubled"
        share = f"{abs(self.lost) / self.taken:.2%}" if self.taken else "all"
        return f"{what} {share} of {self.guest}'s frames: {self.taken:,} in, {self.given:,} out"


def switched_frames(
    cluster: Cluster, guests: Sequence[Guest], traffic: CountedTransfers
) -> list[SwitchedFrames]:
    """Return a row a guest; none where the kernel merges and cuts frames on the switch's ports."""
    if cluster.attachment != "plain port":
        return []
    rows = {guest.name: SwitchedFrames(guest.name) for guest in guests}
    for one in traffic.transfers:
        row = rows[one.sender.name]
        rows[row.guest] = replace(
            row,
            taken=row.taken + _at(cluster, one.sender, one.counted.switch).frames_in,
            given=row.given + _at(cluster, one.receiver, one.counted.switch).frames_out,
        )
    return list(rows.values())


def _at(cluster: Cluster, guest: Guest, ports: Counts) -> Count:
    """Return what the switch's own end of a guest's port has counted."""
    found = ports.get(cluster.counted_device(guest), Count())
    return found.turned() if cluster.port_namespace else found


def lines(kind: str, rows: Sequence[SwitchedFrames]) -> list[str]:
    """Return what people are told: of those guests alone of which it lost or doubled some."""
    return [
        f"The switch '{kind}' {row}." for row in rows if abs(row.lost) > FLOOR + row.taken * SHARE
    ]


def measures(rows: Sequence[SwitchedFrames]) -> list[dict[str, str | float]]:
    """Return the same for programs, of all guests."""
    return [
        {"from": row.guest, "frames_in": row.taken, "frames_out": row.given, "lost": row.lost}
        for row in rows
    ]

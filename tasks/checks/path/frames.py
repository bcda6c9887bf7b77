"""Did the switch give out each frame that it took in, once? Judged where frames are whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest
from farswitch.proof.check import Check, skipped
from tasks.checks.path.counters import Count, CountedTransfers

NAME = "path.switch"
FLOOR, SHARE = 20, 0.001
"""Frames that may be more or fewer: those that are for all (ARP), and what is in the switch's
buffers when its ports are read."""


def judge_frames(
    cluster: Cluster, guests: Sequence[Guest], traffic: CountedTransfers, mtu: int
) -> Iterator[Check]:
    """Yield a verdict a guest: how many of its frames the switch lost or doubled.

    The kernel merges and cuts frames on tunnels, so they can be compared on plain ports only.
    """
    if cluster.attachment != "plain port":
        why = "frames on its ports are merged and cut by the kernel: they cannot be compared"
        yield from (skipped(NAME, guest.name, why) for guest in guests)
        return
    devices = {port.guest: port.device for port in cluster.switch_ports(mtu)}
    for guest in guests:
        taken, given = 0, 0
        for one in traffic.transfers:
            if one.sender == guest:
                taken += one.counted.switch.get(devices[guest.name], Count()).frames_in
                given += one.counted.switch.get(devices[one.receiver.name], Count()).frames_out
        yield _judged(cluster, guest, taken, given)


def _judged(cluster: Cluster, guest: Guest, taken: int, given: int) -> Check:
    kind, more = cluster.settings.switch.kind, given - taken
    bound = FLOOR + int(taken * SHARE)
    share = f"{abs(more) / taken:.2%}" if taken else "all"
    what = "doubled" if more > 0 else "lost"
    measured = f"{kind} took in {taken:,} frames of {guest.name} and gave out {given:,}"
    return Check(
        name=NAME,
        host=guest.name,
        ok=taken > 0 and abs(more) <= bound,
        measured=f"{measured}: it {what} {share}" if abs(more) > bound else measured,
        expected=f"as many, with at most {bound:,} more or fewer",
        cause=f"The switch itself {what} them: each is counted at its port as it comes in and goes "
        "out. A queue that overflows, a program that is too slow, or what it is meant to do.",
        fix="Look at the switch's own output: farswitch status",
    )

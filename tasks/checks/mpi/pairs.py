"""Nodes send each other the payload, pair by pair in rounds, with all counters read in between."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from farswitch.model.machines import DATA_NIC, Guest
from farswitch.pace import patient
from farswitch.proof.check import Check
from farswitch.proof.context import Context
from farswitch.proof.fan_out import each, each_or_raise
from farswitch.proof.mpi_job import PairTimes, Round, RoundEnded
from farswitch.proof.pairing import Meetings
from farswitch.proof.round_robin import Pair
from farswitch.remote_program import RemoteProgram
from tasks.checks.mpi.matrix import bandwidth, latency, slow
from tasks.checks.path import counters

PAYLOAD = 2 << 20
"""Bytes that a node sends another: many times what steering the job costs."""
ROUND_SECONDS = 60.0
"""Deadline of a round; under emulation it takes 1 s."""
CAUSE = "A pair of nodes does not reach each other."


@dataclass(slots=True)
class Exchange:
    """The rounds so far: the pairs that were to meet, what each direction took, what was counted.

    `times` has both directions of each pair, by sender and receiver.
    """

    guests: Sequence[Guest]
    meetings: Meetings
    tried: list[Pair] = field(default_factory=list)
    times: dict[Pair, PairTimes] = field(default_factory=dict)
    transfers: list[counters.Transfer] = field(default_factory=list)

    @property
    def pairs(self) -> list[PairTimes]:
        """What was measured of all that met."""
        return list(self.times.values())

    def ended(self, times: Sequence[PairTimes], counted: counters.Reading) -> None:
        """Take in what a round took, and what was counted meanwhile."""
        for one in times:
            sender, receiver = self.guests[one.sender], self.guests[one.receiver]
            self.transfers.append(counters.Transfer(sender, receiver, one.bytes, counted))
            key = one.sender, one.receiver
            self.times[key] = better(self.times[key], one) if key in self.times else one

    def again(self) -> Iterator[list[Pair]]:
        """Yield the rounds in which those that are far off the usual meet once more."""
        suspects = {(one.sender, one.receiver) for one in slow(self.pairs)}
        for pairs in self.meetings.rounds:
            if left := [pair for pair in pairs if suspects & {pair, pair[::-1]}]:
                yield left

    def judge(self, fix: str) -> Iterator[Check]:
        """Yield the verdicts on both directions of each pair that was to meet."""
        for pair in self.tried:
            for first, second in (pair, pair[::-1]):
                times = self.times.get((first, second))
                yield judge_pair(self.guests[first], self.guests[second], times, fix)


def better(first: PairTimes, second: PairTimes) -> PairTimes:
    """Return the faster of two transfers of a pair, intact where both are."""
    faster = max(first, second, key=bandwidth)
    return faster.model_copy(update={"intact": first.intact and second.intact})


def judge_pair(first: Guest, second: Guest, times: PairTimes | None, fix: str) -> Check:
    """Return the verdict on one direction of a pair; latency in µs, bandwidth in Mbit/s."""
    if times is None or times.bytes != PAYLOAD:
        sent = f"{times.bytes:,} B" if times else "nothing"
        return Check("mpi.pairs", first.name, ok=False, measured=f"to {second.name}: {sent} sent",
                     expected=f"to {second.name}: {PAYLOAD:,} B intact",
                     cause=CAUSE, fix=fix)  # fmt: skip
    return Check(
        name="mpi.pairs",
        host=first.name,
        ok=times.intact,
        measured=f"to {second.name}: {latency(times):.0f} µs, {bandwidth(times):.0f} Mbit/s"
        + ("" if times.intact else ", changed on the way"),
        expected=f"to {second.name}: {times.bytes:,} B intact",
        cause=CAUSE,
        fix=fix,
    )


def exchange(job: RemoteProgram, context: Context, made: Exchange) -> counters.CountedTransfers:
    """Let the pairs send each other the payload, and once more those that are far off the usual.

    One transfer is a short measure: on a busy machine another program's moment makes it slow.

    Raises:
        FarswitchError: The job ended, or a host cannot be asked for its counters.
    """
    guests = made.guests
    inside = _nics(context, guests)
    first = _counters(context, guests)
    last = first
    for pairs in made.meetings.rounds:
        made.tried += pairs
        last = _round(job, context, made, pairs, last)
    for suspects in list(made.again()):
        last = _round(job, context, made, suspects, last)
    nics = counters.growth(inside, _nics(context, guests))
    return counters.CountedTransfers(made.transfers, last - first, nics)


def _round(
    job: RemoteProgram,
    context: Context,
    made: Exchange,
    pairs: Sequence[Pair],
    before: counters.Reading,
) -> counters.Reading:
    """Let pairs meet, and return what the counters show afterwards."""
    job.send(Round(bytes=PAYLOAD, pairs=pairs))
    times = job.receive(RoundEnded, patient(ROUND_SECONDS)).pairs
    after = _counters(context, made.guests)
    made.ended(times, after - before)
    return after


def _counters(context: Context, guests: Sequence[Guest]) -> counters.Reading:
    """Read the switch's ports, the hypervisors' tunnels and all management taps, side by side."""
    cluster = context.cluster
    ports = [name for guest in guests for name in (guest.tunnel, cluster.counted_device(guest))]
    names = {cluster.switch.name: [*dict.fromkeys(ports)]}
    for guest in guests:
        here = names.setdefault(guest.hypervisor, [])
        here += [guest.tunnel, guest.management_tap]
    counts = each_or_raise(names, lambda name: counters.read(context.shell(name), names[name]))
    switch = counts.pop(cluster.switch.name)
    return counters.Reading(
        switch, {name: one for found in counts.values() for name, one in found.items()}
    )


def _nics(context: Context, guests: Sequence[Guest]) -> Mapping[str, counters.Count]:
    """Read each guest's own counters of its data NIC."""
    names = [guest.name for guest in guests]
    found = each(names, lambda name: counters.read(context.shell(name), [DATA_NIC])[DATA_NIC])
    return {name: one for name, one in found.items() if isinstance(one, counters.Count)}

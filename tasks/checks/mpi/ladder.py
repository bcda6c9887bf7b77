"""The ladder of MPI, rung by rung, and at its top the transfers whose way is counted."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from nornir.core.task import Task

from farswitch.connections.access import shell
from farswitch.errors import FarswitchError
from farswitch.guests.mpi_launch import around_mtu, launch
from farswitch.model.machines import DATA_NIC, Guest
from farswitch.proof.check import Check, skipped
from farswitch.proof.context import Context
from farswitch.proof.fan_out import each, each_or_raise
from farswitch.proof.mpi_job import (
    BarrierPassed,
    Initialised,
    PairTimes,
    RingPassed,
    Round,
    RoundEnded,
    mpi_job,
)
from farswitch.proof.probe import Probe, of_one
from farswitch.proof.round_robin import rounds
from farswitch.remote import source
from farswitch.remote_program import RemoteProgram
from tasks.checks.mpi import sockets
from tasks.checks.mpi.matrix import bandwidth, latency, matrix
from tasks.checks.path import counters

PAYLOAD = 2 << 20
"""Bytes that each node sends each other: many times what steering the job costs."""
START_SECONDS, RUNG_SECONDS, ROUND_SECONDS = 60.0, 30.0, 60.0
"""Deadlines of a rung; under emulation the start takes 6 s and each other rung less than 1 s."""
CHECKS = {
    "mpi.launcher": "The launcher starts processes on two nodes.",
    "mpi.init": "MPI starts on all nodes.",
    "mpi.barrier": "All ranks meet in a barrier.",
    "mpi.ring": "Messages of 1 B, around the MTU and 1 MB come around all nodes intact.",
    "mpi.ports": "The running job uses the site's ports on the data network, and no others.",
    "mpi.pairs": "Each two nodes send each other 2 MiB intact; latency and bandwidth are measured.",
    "path.counters": "All of these bytes went in and out by both nodes' ports of the switch.",
    "path.once": "They went there once, and no other port carried them.",
    "path.nics": "They used data0 and its tunnel.",
    "path.management": "The management NICs carried none of them.",
}
EACH = {
    name: said
    for name, said in CHECKS.items()
    if name.startswith(("mpi.ports", "mpi.pairs", "path."))
}
"""Those that have a verdict for each guest."""
CAUSES = {
    "mpi.init": "MPICH is pinned to a NIC that does not lead to the others (see mpi.nic), the "
    "launcher's ports are closed, or the nodes have different MPICH.",
    "mpi.barrier": "The ranks started but do not reach each other: MPICH is pinned to a NIC that "
    "does not lead to the others, or the payload's ports are closed.",
    "mpi.ring": "Small messages pass and large ones do not: an MTU on the way, or checksums.",
    "mpi.pairs": "A pair of nodes does not reach each other.",
}


@dataclass(slots=True)
class LadderState:
    """How far the ladder was climbed."""

    checks: list[Check] = field(default_factory=list)
    rung: str = "mpi.init"
    transfers: list[counters.Transfer] = field(default_factory=list)
    pairs: list[PairTimes] = field(default_factory=list)


def judge_ring(host: str, ring: RingPassed, nodes: int, fix: str) -> Check:
    """Return the verdict on a message's way around all nodes."""
    return Check(
        name="mpi.ring",
        host=host,
        ok=ring.intact,
        measured=f"{ring.bytes:,} B around {nodes} nodes in {ring.seconds * 1e3:.1f} ms"
        + ("" if ring.intact else ", changed on the way"),
        expected="the message intact",
        cause=CAUSES["mpi.ring"],
        fix=fix,
    )


def judge_nodes(host: str, nodes: Sequence[str], guests: Sequence[Guest], fix: str) -> Check:
    """Return the verdict on where the ranks ran that met in the barrier."""
    wanted = sorted(guest.name for guest in guests)
    return Check(
        name="mpi.barrier",
        host=host,
        ok=sorted(nodes) == wanted,
        measured=f"met: {', '.join(sorted(nodes))}",
        expected=f"met: {', '.join(wanted)}",
        cause="An address leads to another node than its name says.",
        fix=fix,
    )


def judge_round(
    guests: Sequence[Guest],
    pairs: Sequence[tuple[int, int]],
    times: Sequence[PairTimes],
    fix: str,
) -> Iterator[Check]:
    """Yield the verdicts on both directions of each pair that was to meet in a round."""
    measured = {(one.sender, one.receiver): one for one in times}
    for pair in pairs:
        for first, second in (pair, pair[::-1]):
            yield judge_pair(guests[first], guests[second], measured.get((first, second)), fix)


def judge_pair(first: Guest, second: Guest, times: PairTimes | None, fix: str) -> Check:
    """Return the verdict on one direction of a pair; latency in µs, bandwidth in Mbit/s."""
    if times is None or times.bytes != PAYLOAD:
        sent = f"{times.bytes:,} B" if times else "nothing"
        return Check("mpi.pairs", first.name, ok=False, measured=f"to {second.name}: {sent} sent",
                     expected=f"to {second.name}: {PAYLOAD:,} B intact",
                     cause=CAUSES["mpi.pairs"], fix=fix)  # fmt: skip
    return Check(
        name="mpi.pairs",
        host=first.name,
        ok=times.intact,
        measured=f"to {second.name}: {latency(times):.0f} µs, {bandwidth(times):.0f} Mbit/s"
        + ("" if times.intact else ", changed on the way"),
        expected=f"to {second.name}: {times.bytes:,} B intact",
        cause=CAUSES["mpi.pairs"],
        fix=fix,
    )


def run(task: Task, context: Context) -> Iterator[Check]:
    """Go from the launcher to all pairs, and judge the bytes' way by both servers' counters."""
    host, guests = task.host.name, context.there()
    settings, state = context.cluster.settings, LadderState()
    yield from context.left_out(EACH)
    if len(guests) < 2:  # noqa: PLR2004 - a pair
        for name, sentence in CHECKS.items():
            yield skipped(name, host, "there are no two nodes that answer", sentence)
        return
    yield _launch(task, context, guests)
    counted: counters.CountedTransfers | None = None
    sizes = [str(size) for size in around_mtu(context.mtu)]
    seconds = int(2 * START_SECONDS + RUNG_SECONDS * len(sizes) + ROUND_SECONDS * len(guests))
    word = f"farswitch-mpi-{secrets.token_hex(8)}"
    # Python takes any name after -X: it marks our own job among those of others on these guests.
    argv = ["python3", "-X", word, "-c", source("mpi_ladder"), *sizes]
    job = mpi_job(shell(task), settings, guests, argv, seconds)
    try:
        with job:
            _lower_rungs(job, host, guests, state, context)
            state.checks += sockets.look(context, guests, word)
            state.rung = "mpi.pairs"
            counted = _all_pairs(job, context, guests, state)
    except FarswitchError as error:
        state.checks += _fallen(state, host, error, guests, context.rebuild)
    yield from state.checks
    if counted is None:
        yield from _uncounted(guests, state.rung, context.rebuild)
        return
    yield from counters.judge(context.cluster, guests, counted, context.rebuild)
    for line in matrix(guests, state.pairs):
        context.evidence.notes.append(line)
    left = [guest.name for guest in context.cluster.guests if guest not in guests]
    context.evidence.conclusion = counters.conclude(context.cluster, guests, counted, left)


def _launch(task: Task, context: Context, guests: Sequence[Guest]) -> Check:
    host, wanted = task.host.name, "two nodes, four ranks"
    try:
        launched = launch(shell(task), context.cluster.settings, guests[:2])
    except FarswitchError as error:
        cause = "The launcher logs in by ssh and is called back on its own ports."
        return Check("mpi.launcher", host, ok=False, measured=str(error), expected=wanted,
                     cause=cause, fix=context.rebuild)  # fmt: skip
    context.evidence.notes.append(f"$ {launched.command}")
    for name in launched.names:
        context.evidence.notes.append(name)
    return Check("mpi.launcher", host, ok=True, measured=", ".join(launched.names), expected=wanted)


def _lower_rungs(
    job: RemoteProgram, host: str, guests: Sequence[Guest], state: LadderState, context: Context
) -> None:
    ranks = job.receive(Initialised, START_SECONDS).ranks
    state.checks.append(
        Check("mpi.init", host, ok=ranks == len(guests), measured=f"{ranks} ranks",
              expected=f"{len(guests)} ranks", cause=CAUSES["mpi.init"], fix=context.rebuild)
    )  # fmt: skip
    state.rung = "mpi.barrier"
    nodes = job.receive(BarrierPassed, RUNG_SECONDS).nodes
    state.checks.append(judge_nodes(host, nodes, guests, context.rebuild))
    state.rung = "mpi.ring"
    for _ in around_mtu(context.mtu):
        ring = job.receive(RingPassed, RUNG_SECONDS)
        state.checks.append(judge_ring(host, ring, len(guests), context.rebuild))


def _all_pairs(
    job: RemoteProgram, context: Context, guests: Sequence[Guest], state: LadderState
) -> counters.CountedTransfers:
    """Let every two guests send each other the payload, with the counters read in between."""
    inside = _nics(context, guests)
    first = before = _counters(context, guests)
    for pairs in rounds(len(guests)):
        job.send(Round(bytes=PAYLOAD, pairs=pairs))
        times = job.receive(RoundEnded, ROUND_SECONDS).pairs
        after = _counters(context, guests)
        for one in times:
            sender, receiver = guests[one.sender], guests[one.receiver]
            state.transfers.append(counters.Transfer(sender, receiver, one.bytes, after - before))
        state.checks += judge_round(guests, pairs, times, context.rebuild)
        state.pairs += times
        before = after
    nics = counters.growth(inside, _nics(context, guests))
    return counters.CountedTransfers(state.transfers, before - first, nics)


def _counters(context: Context, guests: Sequence[Guest]) -> counters.Reading:
    """Read the switch's ports, the hypervisors' tunnels and all management taps, side by side."""
    cluster = context.cluster
    names = {cluster.switch.name: [guest.tunnel for guest in guests]}
    for guest in guests:
        here = names.setdefault(guest.hypervisor, [])
        here += [guest.tunnel, guest.management_tap]
    counts = each_or_raise(names, lambda name: counters.read(context.shell(name), names[name]))
    switch = counts.pop(cluster.switch.name)
    return counters.Reading(
        switch, {name: one for found in counts.values() for name, one in found.items()}
    )


def _nics(context: Context, guests: Sequence[Guest]) -> dict[str, counters.Count]:
    """Read each guest's own counters of its data NIC."""
    names = [guest.name for guest in guests]
    found = each(names, lambda name: counters.read(context.shell(name), [DATA_NIC])[DATA_NIC])
    return {name: one for name, one in found.items() if isinstance(one, counters.Count)}


def _fallen(
    state: LadderState, host: str, error: FarswitchError, guests: Sequence[Guest], fix: str
) -> Iterator[Check]:
    """Yield the failure of the rung that was not reached, and skip those above."""
    above = [name for name in CAUSES if name not in {check.name for check in state.checks}]
    missed = state.rung if state.rung not in above else above[0]
    yield Check(missed, host, ok=False, measured=str(error), expected=CHECKS[missed],
                cause=CAUSES[missed], fix=fix)  # fmt: skip
    judged = {(check.name, check.host) for check in state.checks} | {(missed, host)}
    for name in [*above, "mpi.ports", "mpi.pairs"]:
        for where in [guest.name for guest in guests] if name in EACH else [host]:
            if (name, where) not in judged:
                judged.add((name, where))
                yield skipped(name, where, f"'{missed}' failed", CHECKS[name])


def _uncounted(guests: Sequence[Guest], rung: str, fix: str) -> Iterator[Check]:
    """Yield a failure for all that is judged by counters: nothing was proved."""
    for name in (name for name in CHECKS if name.startswith("path.")):
        for guest in guests:
            yield Check(name, guest.name, ok=False, expected=CHECKS[name], fix=fix,
                        measured=f"nothing was counted: '{rung}' failed")  # fmt: skip


PROBE = Probe("head", CHECKS, of_one("head", run), each=frozenset(EACH), needs=("reach.icmp",))

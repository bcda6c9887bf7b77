"""The ladder of MPI, rung by rung, and at its top the transfers whose way is counted."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from nornir.core.task import Task

from farswitch.connections.access import shell
from farswitch.errors import FarswitchError
from farswitch.guests.mpi_launch import around_mtu, launch
from farswitch.model.machines import Guest
from farswitch.pace import patient
from farswitch.proof.check import Check, skipped
from farswitch.proof.context import Context
from farswitch.proof.mpi_job import BarrierPassed, Initialised, RingPassed, mpi_job
from farswitch.proof.probe import Probe, of_one
from farswitch.remote import source
from farswitch.remote_program import RemoteProgram
from tasks.checks.mpi import sockets
from tasks.checks.mpi.matrix import far_off, matrix, measures
from tasks.checks.mpi.pairs import CAUSE, ROUND_SECONDS, Exchange, exchange
from tasks.checks.path import counters, frames

START_SECONDS, RUNG_SECONDS = 60.0, 30.0
"""Deadlines of a rung; under emulation the start takes 6 s and each other rung less than 1 s."""
CHECKS = {
    "mpi.launcher": "The launcher starts processes on two nodes.",
    "mpi.init": "MPI starts on all nodes.",
    "mpi.barrier": "All ranks meet in a barrier.",
    "mpi.ring": "Messages of 1 B, around the MTU and 1 MB come around all nodes intact.",
    "mpi.ports": "The running job uses the site's ports on the data network, and no others.",
    "mpi.pairs": "Pairs of nodes send each other 2 MiB intact; latency and bandwidth are measured.",
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
    "mpi.pairs": CAUSE,
}


@dataclass(slots=True)
class LadderState:
    """How far the ladder was climbed."""

    checks: list[Check] = field(default_factory=list)
    rung: str = "mpi.init"


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


def run(task: Task, context: Context) -> Iterator[Check]:
    """Go from the launcher to the pairs, and judge the bytes' way by both servers' counters."""
    host, guests = task.host.name, context.there()
    settings, state = context.cluster.settings, LadderState()
    yield from context.left_out(EACH)
    if len(guests) < 2:  # noqa: PLR2004 - a pair
        for name, sentence in CHECKS.items():
            yield skipped(name, host, "there are no two nodes that answer", sentence)
        return
    yield _launch(task, context, guests)
    meetings = context.meetings()
    made, counted = Exchange(guests, meetings), None
    sizes = [str(size) for size in around_mtu(context.nic_mtu)]
    seconds = int(2 * START_SECONDS + RUNG_SECONDS * len(sizes))
    seconds += 2 * int(ROUND_SECONDS) * len(meetings.rounds)
    word = f"farswitch-mpi-{secrets.token_hex(8)}"
    # Python takes any name after -X: it marks our own job among those of others on these guests.
    argv = ["python3", "-X", word, "-c", source("mpi_ladder"), *sizes]
    job = mpi_job(shell(task), settings, guests, argv, seconds)
    try:
        with job:
            _lower_rungs(job, host, guests, state, context)
            state.checks += sockets.look(context, guests, word)
            state.rung = "mpi.pairs"
            counted = exchange(job, context, made)
            state.checks += made.judge(context.rebuild)
    except FarswitchError as error:
        state.checks += made.judge(context.rebuild)
        state.checks += _fallen(state, host, error, guests, context.rebuild)
    yield from state.checks
    if counted is None:
        yield from _uncounted(guests, state.rung, context.rebuild)
        return
    met = [(guests[first], guests[second]) for first, second in meetings.ordered()]
    yield from counters.judge(context.cluster, guests, met, counted, context.rebuild)
    rows = frames.switched_frames(context.cluster, guests, counted)
    if rows:
        context.evidence.measures["path"] = frames.measures(rows)
    context.evidence.notes += frames.lines(context.cluster.settings.switch.kind, rows)
    context.evidence.measures["mpi"] = measures(guests, made.pairs)
    context.evidence.notes += matrix(guests, made.pairs) + far_off(guests, made.pairs)
    left = [guest.name for guest in context.cluster.guests if guest not in guests]
    context.evidence.conclusion = counters.conclude(
        context.cluster, guests, counted, meetings, left
    )


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
    ranks = job.receive(Initialised, patient(START_SECONDS)).ranks
    state.checks.append(
        Check("mpi.init", host, ok=ranks == len(guests), measured=f"{ranks} ranks",
              expected=f"{len(guests)} ranks", cause=CAUSES["mpi.init"], fix=context.rebuild)
    )  # fmt: skip
    state.rung = "mpi.barrier"
    nodes = job.receive(BarrierPassed, patient(RUNG_SECONDS)).nodes
    state.checks.append(judge_nodes(host, nodes, guests, context.rebuild))
    state.rung = "mpi.ring"
    for _ in around_mtu(context.nic_mtu):
        ring = job.receive(RingPassed, patient(RUNG_SECONDS))
        state.checks.append(judge_ring(host, ring, len(guests), context.rebuild))


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

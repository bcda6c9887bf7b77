"""The negative control: with a guest's port of the switch down it must be cut off, and only it.

A timer on the switch brings the port up again where this program, or its machine, does not.
"""

from __future__ import annotations

import secrets
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

from nornir.core.task import Task

from farswitch.connections.netlink.edit_links import set_down, set_up
from farswitch.connections.netlink.fdb import entries
from farswitch.connections.netlink.links import dump
from farswitch.errors import FarswitchError
from farswitch.links.wanted import wanted_forwarding
from farswitch.model.machines import Guest
from farswitch.pace import patient
from farswitch.proof.check import Check, skipped
from farswitch.proof.context import Context
from farswitch.proof.fan_out import each
from farswitch.proof.probe import Probe, of_one
from farswitch.remote import command
from farswitch.remote_program import RemoteProgram
from farswitch.rollback import timer as rollback
from farswitch.rollback.at_logout import when_login_ends
from tasks.checks.control.job import Watched, answered, await_lap, running, sweep, watch
from tasks.checks.control.judge import (
    BACK_SECONDS,
    STALL_SECONDS,
    TIMER_SECONDS,
    Answers,
    State,
    judge_back,
    judge_cut,
    judge_job,
    judge_left,
    judge_timer,
)

ECHO_SECONDS = 2.5
"""How long everybody asks everybody while a port is down: ten questions each."""
CHECKS = {
    "control.cut": "With its port of the switch down, a node is cut off, and only it.",
    "control.job": f"A running MPI job fails or hangs within {STALL_SECONDS:.0f} s of that.",
    "control.back": "With the port up again, all is as before, and a new MPI job runs.",
    "control.timer": "The switch did not have to bring the port up by itself.",
    "control.left": "No process of the jobs is left on any node.",
}


@dataclass(frozen=True, slots=True)
class Cut:
    """What was seen while a port was down, and the timer's end."""

    heard: Answers
    watched: Watched
    in_time: bool
    seconds: float


def control(_task: Task, context: Context) -> Iterator[Check]:
    """Take each port down in turn, look, and bring it up again; nothing is left of the jobs."""
    guests = context.there()
    yield from context.left_out(CHECKS)
    if len(guests) < 2:  # noqa: PLR2004
        why = "one node has nobody to be cut off from"
        yield from (skipped(name, guest.name, why) for guest in guests for name in CHECKS)
        return
    word = f"farswitch-control-{secrets.token_hex(8)}"
    _alone(context)
    try:
        yield from _ports(context, guests, word)
    finally:
        left = each((guest.name for guest in guests), lambda name: sweep(context.shell(name), word))
    yield from (judge_left(guest, left.get(guest.name)) for guest in guests)


def _ports(context: Context, guests: Sequence[Guest], word: str) -> Iterator[Check]:
    """Cut one guest after the other off; the job that proves one's return is the next one's."""
    head, settings = context.shell(guests[0].name), context.cluster.settings
    before = _states(context, guests)
    with ExitStack() as jobs:
        job = jobs.enter_context(running(head, settings, guests, word))
        for guest in guests:
            cut = _cut(context, guest, guests, job)
            where = f"{guest.tunnel} of '{context.cluster.switch.name}'"
            bring_up = context.command(context.cluster.switch.name, _up(guest.tunnel))
            yield judge_timer(guest, cut.seconds, in_time=cut.in_time, bring_up=bring_up)
            yield judge_cut(guest, guests, cut.heard, where, context.rebuild)
            yield judge_job(guest, cut.watched, where, context.rebuild)
            jobs.close()
            with ThreadPoolExecutor(1) as pool:
                asked = pool.submit(_ask, context, guests, patient(BACK_SECONDS))
                try:
                    job, why = jobs.enter_context(running(head, settings, guests, word)), ""
                except FarswitchError as error:
                    why = str(error)
            states = before[guest.name], _states(context, [guest])[guest.name]
            yield judge_back(
                guest, guests, asked.result(), job=why, states=states, rebuild=context.rebuild
            )
            if why:
                raise FarswitchError(f"The other ports were left alone: {why}")


def _cut(context: Context, guest: Guest, guests: Sequence[Guest], job: RemoteProgram) -> Cut:
    """Take a port down, look, and bring it up; the switch does that if we cannot."""
    switch, port = context.cluster.switch.name, guest.tunnel
    began = time.monotonic()
    timer = rollback.start(context.shell(switch), _timer(context), _up(port), TIMER_SECONDS)
    # Long before the timer, where the end of our login is noticed at once.
    undo = when_login_ends(context.shell(switch), _up(port))
    with ThreadPoolExecutor(1) as pool:
        try:
            await_lap(job)
            with context.netlink(switch).session() as ipr:
                set_down(ipr, port)
            asked = pool.submit(_ask, context, guests, patient(ECHO_SECONDS))
            watched = watch(job, STALL_SECONDS)
            heard = asked.result()
        finally:
            with undo, context.netlink(switch).session() as ipr:
                set_up(ipr, port)
            in_time = rollback.confirm(context.shell(switch), timer)
    return Cut(heard, watched, in_time, time.monotonic() - began)


def _up(port: str) -> list[str]:
    return ["ip", "link", "set", port, "up"]


def _ask(context: Context, guests: Sequence[Guest], seconds: float) -> Answers:
    """Let every guest ask every other for an echo, all at once."""
    addresses = {guest.name: str(guest.data_address.ip) for guest in guests}

    def echoes(name: str) -> frozenset[str]:
        others = [address for other, address in addresses.items() if other != name]
        argv = command("echo", str(seconds), *others)
        return answered(context.shell(name).run(argv, timeout=seconds + 20.0).stdout)

    return each(addresses, echoes)


def _states(context: Context, guests: Sequence[Guest]) -> dict[str, State]:
    """Read the guests' ports, and what the bridges of the data network know.

    Raises:
        FarswitchError: A port is not up: there is nothing to take down.
    """
    switch = context.cluster.switch.name
    with context.netlink(switch).session() as ipr:
        have = dump(ipr)
        bridges = wanted_forwarding(context.cluster, context.cluster.switch)
        fdb = [entry for entry in entries(ipr, have) if entry.bridge in bridges]
    links = {link.name: link for link in have}
    places: defaultdict[str, set[str]] = defaultdict(set)
    tunnels = {guest.tunnel for guest in context.cluster.guests}
    for entry in fdb:
        if entry.device in tunnels:
            places[entry.mac].add(entry.device)
    states = {
        guest.name: State(
            link=links.get(guest.tunnel),
            written=frozenset((entry.mac, entry.device) for entry in fdb if entry.static),
            places={mac: frozenset(ports) for mac, ports in places.items()} if bridges else None,
        )
        for guest in guests
    }
    for guest in guests:
        link = states[guest.name].link
        if link is None or not link.up:
            raise FarswitchError(
                f"Port '{guest.tunnel}' of '{switch}' is not up: it cannot be taken down.",
                hint=context.command(switch, _up(guest.tunnel)),
            )
    return states


def _alone(context: Context) -> None:
    """Make sure that no other control is going on, and say of an earlier one how it ended.

    Raises:
        FarswitchError: Another one is going on, or was killed a moment ago.
    """
    switch = context.cluster.switch.name
    timers = rollback.list_timers(context.shell(switch), _timer(context))
    for outcome in timers.fired:
        context.evidence.notes.append(
            f"A control that was cut short: its port on '{switch}' was {outcome}."
        )
    for timer, age in timers.pending.items():
        if age <= TIMER_SECONDS:
            raise FarswitchError(
                f"A control of this cluster began {age} s ago, goes on or was killed: "
                f"'{switch}' has the timer '{timer}'.",
                hint=f"Wait for {TIMER_SECONDS - age + 1} s and try again.",
            )
        rollback.confirm(context.shell(switch), rollback.RollbackTimer(timer, TIMER_SECONDS))


def _timer(context: Context) -> str:
    return rollback.name_of(rollback.CONTROL, context.cluster.name)


PROBE = Probe(
    "switch",
    CHECKS,
    of_one("switch", control),
    each=frozenset(CHECKS),
    guests=True,
    needs=("reach", "ssh", "mpi.launcher"),
    asked=True,
    writes=True,
)

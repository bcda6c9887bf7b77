"""Does each guest run, and can it be logged in to? One that cannot is left alone from then on."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from nornir.core.task import Task

from farswitch.connections.access import libvirt, shell
from farswitch.guests.console import tail
from farswitch.pace import whole
from farswitch.proof.check import Check, skipped
from farswitch.proof.context import Context
from farswitch.proof.probe import Observed, Probe, Proof, sound
from farswitch.remote import command
from tasks.checks.guest.login_judge import (
    LOGIN,
    SSH_SECONDS,
    Dead,
    judge_login,
    judge_running,
    of_port,
)

HOSTNAME_SECONDS = 30.0
"""For the first command of a run on a guest: how slow that one is was not seen before it.
10 s are too few for a guest that boots a stock image under emulation beside three others."""


@dataclass(frozen=True, slots=True)
class DomainStates:
    """What a hypervisor knows of its guests: their domains' states, and an answer at port 22."""

    states: Mapping[str, str]
    ports: Mapping[str, str]


def observe(task: Task, context: Context) -> DomainStates:
    """Read the domains of a hypervisor, and look at the port of each guest that runs."""
    states = {domain.name: domain.state for domain in libvirt(task).list_domains()}
    addresses = [
        str(guest.management_address.ip)
        for guest in context.cluster.guests_of(task.host.name)
        if states.get(guest.domain) == "running"
    ]
    if not addresses:
        return DomainStates(states, {})
    argv = command("ssh_ports", str(whole(SSH_SECONDS)), *addresses)
    said = shell(task).run(argv, timeout=3 * SSH_SECONDS + 5).stdout
    return DomainStates(states, json.loads(said))


def log_in(task: Task, _context: Context, silent: Collection[str]) -> str | None:
    """Ask a guest for its name, unless its port showed no ssh."""
    if task.host.name in silent:
        return None
    return shell(task).run(["hostname"], timeout=HOSTNAME_SECONDS).stdout.strip()


def consoles(task: Task, context: Context, dead: Collection[str]) -> dict[str, Sequence[str]]:
    """Read the consoles' last lines of a hypervisor's guests that cannot be logged in to."""
    here = context.cluster.guests_of(task.host.name)
    return {one.name: tail(shell(task), one.domain) for one in here if one.name in dead}


def judge(
    context: Context,
    server: str,
    domains: DomainStates,
    logins: Mapping[str, str | Dead],
) -> Iterator[Check]:
    """Yield the verdicts on the guests of one hypervisor; the dead are lost from now on."""
    guests = context.cluster.guests_of(server)
    if not guests:
        yield from (skipped(name, server, "no guest is on it") for name in CHECKS)
    for guest in guests:
        state = domains.states.get(guest.domain)
        resume = context.command(server, ["virsh", "resume", guest.domain])
        yield judge_running(guest, state, context.rebuild, resume)
        if guest.name not in logins:
            why = f"its domain is {state or 'not there'}"
            context.evidence.lose(guest.name, why)
            yield skipped("guest.login", guest.name, why, LOGIN)
            continue
        answer = logins[guest.name]
        if isinstance(answer, Dead):
            context.evidence.lose(guest.name, answer.said)
        yield judge_login(guest, answer, context.rebuild)


def prove(context: Context) -> Proof:
    """Look from the hypervisors, log in where ssh shows itself, and read the others' consoles."""
    observed: Observed[DomainStates] = yield {"hypervisors": observe}
    logins: dict[str, str | Dead] = {}
    for guest in context.cluster.guests:
        domains = observed.get(guest.hypervisor)
        if isinstance(domains, DomainStates) and domains.states.get(guest.domain) == "running":
            address = str(guest.management_address.ip)
            logins[guest.name] = of_port(guest, domains.ports.get(address, "connect")) or ""
    silent = {guest.name for guest in context.cluster.guests if logins.get(guest.name) != ""}
    names: Observed[str | None] = yield {
        "guests": lambda task, context: log_in(task, context, silent)
    }
    for name, answer in names.items():
        if name not in silent:
            logins[name] = answer if isinstance(answer, str) else Dead("login", str(answer))
    dead = {name for name, answer in logins.items() if isinstance(answer, Dead)}
    if dead:
        read: Observed[dict[str, Sequence[str]]] = yield {
            "hypervisors": lambda task, context: consoles(task, context, dead)
        }
        for lines in read.values():
            for name, console in (lines if isinstance(lines, dict) else {}).items():
                logins[name] = replace(cast("Dead", logins[name]), console=console)

    def verdicts(server: str) -> Iterator[Check]:
        yield from judge(context, server, sound(observed[server]), logins)

    return {server: verdicts(server) for server in observed}


CHECKS = {
    "guest.running": "Each guest's domain runs.",
    "guest.login": "Each guest can be logged in to over management.",
}
PROBE = Probe("hypervisors", CHECKS, prove, each=frozenset(CHECKS), vital="guests")

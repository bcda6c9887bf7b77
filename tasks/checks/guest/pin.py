"""Does each guest run on the processors and the memory that its site pins it to?"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from nornir.core.task import Task

from farswitch.connections.access import libvirt
from farswitch.guests.pins import GuestPins, live_commands, read_pins, wanted_pins
from farswitch.model.machines import Guest
from farswitch.proof.check import Check, skipped
from farswitch.proof.context import Context
from farswitch.proof.probe import Probe, of_each

NAME = "guest.pin"
MOVED = (
    "The guest has run since before a build changed it, or somebody moved it while it runs (virsh "
    "vcpupin, emulatorpin, numatune)."
)
CHANGED = (
    "The site's 'pin' was changed after the build, or somebody edited the domain (virsh edit)."
)


@dataclass(frozen=True, slots=True)
class DomainPins:
    """The pins of a domain that runs, and those of its definition, which its next start takes."""

    running: GuestPins
    defined: GuestPins


def observe(task: Task, context: Context) -> dict[str, DomainPins]:
    """Read the pins of a hypervisor's guests that run."""
    ours = {guest.domain for guest in context.cluster.guests_of(task.host.name)}
    found = {}
    for domain in libvirt(task).list_domains():
        running = libvirt(task).running_xml(domain.name) if domain.name in ours else None
        if running is not None:
            found[domain.name] = DomainPins(read_pins(running), read_pins(domain.xml))
    return found


def judge(context: Context, guest: Guest, have: DomainPins) -> Check:
    """Return the verdict on one guest."""
    want, server = wanted_pins(guest), guest.hypervisor
    defined = have.defined == want
    moves = live_commands(guest.domain, have.running, want)
    ends = ["virsh", "destroy", guest.domain]
    commands = [ends] if moves is None else moves
    repairs = [context.command(server, _line(commands))] if commands else []
    if moves is None or not defined:
        repairs.append(context.rebuild)
    at_start = "" if defined else f"; at its next start: {have.defined}"
    return Check(
        NAME,
        guest.name,
        ok=have.running == want and defined,
        measured=f"{have.running}{at_start}",
        expected=str(want),
        cause=MOVED if defined else CHANGED,
        fix=" && ".join(repairs),
    )


def _line(commands: list[list[str]]) -> list[str]:
    if len(commands) == 1:
        return commands[0]
    return ["sh", "-c", " && ".join(map(shlex.join, commands))]


def verdicts(context: Context, server: str, found: Mapping[str, DomainPins]) -> Iterator[Check]:
    """Yield the verdicts on a hypervisor's guests."""
    guests = context.cluster.guests_of(server)
    if not guests:
        yield skipped(NAME, server, "no guest is on it")
    for guest in guests:
        if guest.domain in found:
            yield judge(context, guest, found[guest.domain])
        else:
            yield skipped(NAME, guest.name, "its domain does not run")


PROBE = Probe(
    "hypervisors",
    {NAME: "Each guest runs where the site's 'pin' says, and will at its next start."},
    of_each("hypervisors", observe, verdicts),
    each=frozenset({NAME}),
)

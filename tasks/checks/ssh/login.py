"""Does each node log in to itself and to the others that it meets, without a password?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from nornir.core.task import Task

from farswitch.connections.access import shell
from farswitch.guests.mpi_launch import as_user
from farswitch.model.machines import Guest
from farswitch.model.settings import Settings
from farswitch.pace import whole
from farswitch.proof.check import Check, skipped
from farswitch.proof.context import Context
from farswitch.proof.probe import Observed, Probe, Proof, sound
from farswitch.remote import shell_command
from tasks.checks.ssh.judge import Answer, Keys, judge, parse

SECONDS = 45
"""For one node's login to another; an emulated one takes 1 to 2 s, a busy machine twenty times as
long. A node that is gone ends it sooner, by ConnectTimeout."""
CONNECT_SECONDS = 15
SIDE_BY_SIDE = 2
"""Logins of one node at once: a node that is gone costs the others no time."""


@dataclass(frozen=True, slots=True)
class OwnKeys:
    """What a guest has: its private key, and the public ones that it lets in; empty: no file."""

    private: bytes
    authorized: bytes


def log_in(task: Task, context: Context) -> dict[str, Answer]:
    """Log in from one guest to itself, and to whom it meets: in each round to another one."""
    names = [other.name for other in targets(context, context.cluster.guest(task.host.name))]
    argv = shell_command(
        "ssh_pairs", str(whole(SECONDS)), str(whole(CONNECT_SECONDS)), str(SIDE_BY_SIDE), *names
    )
    most = SECONDS * math.ceil(len(names) / SIDE_BY_SIDE) + 10
    settings = context.cluster.settings
    return parse(shell(task).run(as_user(settings, argv), timeout=most, check=False).stdout)


def targets(context: Context, guest: Guest) -> list[Guest]:
    """Return where a guest logs in, in this order: so no two begin with a login to the same."""
    return [guest, *context.partners(guest)]


def read_keys(task: Task, context: Context) -> OwnKeys:
    """Read a guest's private key, and the keys that it lets in."""
    paths = _paths(context.cluster.settings)
    facts = shell(task).facts(paths)
    private, authorized = (file.content if (file := facts[path]) else b"" for path in paths)
    return OwnKeys(private, authorized)


def prove(context: Context) -> Proof:
    """Log in from all to those they meet; the keys are read where a login was refused."""
    there = context.there()
    silent = [guest for guest in context.cluster.guests if guest.name in context.evidence.lost]
    wanted = {guest.name: targets(context, guest) for guest in there}
    observed: Observed[dict[str, Answer]] = yield {"guests": log_in}
    refused = any(
        answer.kind == "refused"
        for answers in observed.values()
        if isinstance(answers, dict)
        for answer in answers.values()
    )
    keys: Observed[OwnKeys] = (yield {"guests": read_keys}) if refused else {}

    def verdicts(name: str) -> Iterator[Check]:
        source, answers = context.cluster.guest(name), sound(observed[name])
        for guest in silent:
            yield skipped("ssh.pair", name, f"'{guest.name}' cannot be logged in to")
        public = context.record.user.public.split()[1].encode()
        private = context.record.user.private.encode()

        def keys_of(target: Guest) -> Keys:
            own, there = keys.get(name), keys.get(target.name)
            return Keys(
                own.private == private if isinstance(own, OwnKeys) else None,
                public in there.authorized if isinstance(there, OwnKeys) else None,
            )

        yield from judge(source, wanted[name], answers, keys_of, context.rebuild)

    return {name: verdicts(name) for name in observed}


def _paths(settings: Settings) -> tuple[str, str]:
    home = f"/home/{settings.user}/.ssh"
    return f"{home}/id_ed25519", f"{home}/authorized_keys"


PROBE = Probe(
    "guests",
    {"ssh.pair": "Nodes log in to each other, pair by pair, and to themselves, by key alone."},
    prove,
    needs=("reach.icmp",),
)

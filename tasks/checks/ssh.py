"""Does each node log in to every node, itself included, without a password?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nornir.core.task import Task

from connections.access import shell
from inventory.hosts import guest_of
from inventory.model import Guest
from tasks.check import Check
from tasks.mpi_run import as_user
from tasks.probe import Probe, Scene

_SSH = """
OPTIONS="-o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=10"
for name in "$@"; do
    said=$(ssh -n $OPTIONS "$name" hostname 2>&1)
    echo "$name $? $said" | head -n 1
done
"""
SSH_SECONDS = 20
"""For one node's login to another; under emulation it takes 1 to 2 s."""


def judge_ssh(guest: Guest, others: Sequence[Guest], text: str) -> Iterator[Check]:
    """Yield one verdict a pair: a login without a password arrives at the right host."""
    lines = {line.split()[0]: line.split(None, 2)[1:] for line in text.splitlines() if line.strip()}
    for other in others:
        status, *answer = lines.get(other.name, ["not probed"])
        said = answer[0].strip() if answer else ""
        yield Check(
            name="ssh.pair",
            host=guest.name,
            ok=status == "0" and said == other.name,
            measured=f"to {other.name}: status {status}, '{said}'",
            expected=f"to {other.name}: status 0, '{other.name}'",
            cause="A refused login: python -m workflows.build writes keys and known hosts again. "
            "No route or a timeout: look at the switch's port of both guests.",
        )


def logins(task: Task, scene: Scene) -> Iterator[Check]:
    """Log in from one guest to every guest, itself included."""
    login, guests = shell(task), scene.there()
    names = [one.name for one in guests]
    argv = as_user(scene.cluster.settings, ["sh", "-c", _SSH, "ssh", *names])
    said = login.run(argv, timeout=SSH_SECONDS * len(names))
    yield from judge_ssh(guest_of(task.host), guests, said.stdout)


PROBE = Probe("guests", {"ssh.pair": "Each node logs in to each node without a password."}, logins)

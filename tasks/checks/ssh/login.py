"""Does each node log in to every node, itself included, without a password?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nornir.core.task import Task

from farswitch.connections.access import shell
from farswitch.connections.shell.protocol import FileFacts
from farswitch.errors import FarswitchError
from farswitch.guests.mpi_launch import as_user
from farswitch.model.machines import Guest
from farswitch.model.settings import Settings
from farswitch.proof.check import Check, skipped
from farswitch.proof.probe import Probe, Scene
from farswitch.site.nornir_data import guest_of
from tasks.checks.ssh.judge import Keys, judge, parse

SECONDS = 45
"""For one node's login to another; an emulated one takes 1 to 2 s, a busy machine twenty times as
long. A node that is gone ends it sooner, by ConnectTimeout."""
SIDE_BY_SIDE = 2
"""Logins of one node at once: a node that is gone costs the others no time."""
_ONE = """
said=$(timeout -k 1 "$1" ssh -n -o BatchMode=yes -o StrictHostKeyChecking=yes \
    -o ConnectTimeout=15 "$2" hostname 2>&1)
status=$?
echo "$2 $status $(echo "$said" | tr -d "\\r" | sed "/^ *$/d" | tail -n 1)"
"""
_ALL = """
one=$1 seconds=$2 together=$3
shift 3
printf "%s\\n" "$@" | xargs -P "$together" -I NAME sh -c "$one" ssh "$seconds" NAME
"""


def run(task: Task, scene: Scene) -> Iterator[Check]:
    """Log in from one guest to every guest, itself included."""
    login, guest = shell(task), guest_of(task.host)
    targets = [one for one in after(guest, scene.cluster.guests) if one in scene.there()]
    for one in scene.cluster.guests:
        if one not in targets:
            yield skipped("ssh.pair", guest.name, f"'{one.name}' cannot be logged in to")
    names = [one.name for one in targets]
    argv = ["sh", "-c", _ALL, "ssh", _ONE, str(SECONDS), str(SIDE_BY_SIDE), *names]
    most = SECONDS * math.ceil(len(names) / SIDE_BY_SIDE) + 10
    said = login.run(as_user(scene.cluster.settings, argv), timeout=most, check=False)
    yield from judge(guest, targets, parse(said.stdout), Look(scene, guest), scene.rebuild)


def after(guest: Guest, guests: Sequence[Guest]) -> list[Guest]:
    """Return all guests, from one on: so not all begin with a login to the same."""
    at = guests.index(guest)
    return [*guests[at:], *guests[:at]]


@dataclass(frozen=True, slots=True)
class Look:
    """Looks for the keys of one node's logins, where one was refused."""

    scene: Scene
    source: Guest

    def __call__(self, target: Guest) -> Keys:
        """Return what is known of the source's key and the target's."""
        user, settings = self.scene.record.user, self.source.settings
        private, authorized = _paths(settings)
        own, there = self._read(self.source, private), self._read(target, authorized)
        public = user.public.split()[1].encode()
        return Keys(
            None if own is None else own == user.private.encode(),
            None if there is None else public in there,
        )

    def _read(self, guest: Guest, path: str) -> bytes | None:
        """Return a file's content, empty where there is none; None where it cannot be read."""
        try:
            facts: FileFacts | None = self.scene.shell(guest.name).facts([path])[path]
        except FarswitchError:
            return None
        return facts.content if facts else b""


def _paths(settings: Settings) -> tuple[str, str]:
    home = f"/home/{settings.user}/.ssh"
    return f"{home}/id_ed25519", f"{home}/authorized_keys"


PROBE = Probe(
    "guests",
    {"ssh.pair": "Each node logs in to each node without a password."},
    run,
    needs=("reach.icmp",),
)

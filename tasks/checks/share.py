"""Is the share one: does what one node writes appear on every other, with the same owner?"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nornir.core.task import Task

from connections.command import Completed
from inventory.errors import FarswitchError
from inventory.model import Guest, Settings
from tasks.check import Check
from tasks.mpi_run import as_user
from tasks.probe import Probe, Scene, each

SECONDS = 30
"""For one node's access: the first one mounts."""
_WRITE = 'mkdir -p "$1" && echo "$2" >"$1/$3" && sync "$1/$3"'
_READ = 'cd "$1" && for file in *; do echo "$(stat -c %u "$file") $(cat "$file")"; done'


@dataclass(frozen=True, slots=True)
class Token:
    """What this run writes: a folder of its own in the share, and a word nobody could guess."""

    folder: str
    word: str

    @classmethod
    def fresh(cls, settings: Settings) -> Token:
        """Return one for this run."""
        word = secrets.token_hex(8)
        return cls(f"{settings.share}/.verify-{word}", word)


def judge_write(guest: Guest, ended: Completed | FarswitchError, fix: str) -> Check:
    """Return the verdict on a node's write."""
    good = isinstance(ended, Completed) and ended.status == 0
    said = ended.stderr.strip() if isinstance(ended, Completed) else str(ended)
    return Check(
        name="nfs.write",
        host=guest.name,
        ok=good,
        measured="written" if good else said or "not written",
        expected="written",
        cause="The export of the head or this node's mount is gone or hangs.",
        fix=fix,
    )


def judge_read(
    guest: Guest, writers: Sequence[Guest], token: Token, text: str, fix: str
) -> list[Check]:
    """Return one verdict a writer: its file has its word and the cluster's uid."""
    lines, uid = set(text.splitlines()), guest.settings.uid
    return [
        Check(
            name="nfs.read",
            host=guest.name,
            ok=f"{uid} {token.word} {other.name}" in lines,
            measured=next((one for one in lines if one.endswith(f" {other.name}")), "no such file"),
            expected=f"{uid} {token.word} {other.name}",
            cause="The share is not mounted here, or another one is.",
            fix=fix,
        )
        for other in writers
    ]


def share(task: Task, scene: Scene) -> Iterator[Check]:
    """Write on every node, read on every node, and remove what was written."""
    settings, guests = scene.cluster.settings, {one.name: one for one in scene.there()}
    token = Token.fresh(settings)

    def run(name: str, script: str, *more: str) -> Completed:
        argv = as_user(settings, ["sh", "-c", script, "share", token.folder, *more])
        return scene.shell(name).run(argv, timeout=SECONDS, check=False)

    try:
        wrote = each(guests, lambda name: run(name, _WRITE, f"{token.word} {name}", name))
        for name, ended in wrote.items():
            yield judge_write(guests[name], ended, scene.rebuild)
        for name, ended in each(guests, lambda name: run(name, _READ)).items():
            said = ended.stdout if isinstance(ended, Completed) else ""
            yield from judge_read(guests[name], tuple(guests.values()), token, said, scene.rebuild)
    finally:
        scene.shell(task.host.name).run(
            as_user(settings, ["rm", "-rf", "--", token.folder]), timeout=SECONDS
        )


PROBE = Probe(
    "head",
    {
        "nfs.write": "Each node writes into the share.",
        "nfs.read": "Each node reads what each other wrote, with the cluster's uid.",
    },
    share,
    needs=("reach",),
    writes=True,
)

"""Is the share one: does what one node writes appear on every other, with the same owner?"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nornir.core.task import Task

from connections.access import shell
from connections.command import Completed
from inventory.errors import FarswitchError
from inventory.model import Guest, Settings
from tasks.check import Check, skipped
from tasks.mpi_run import as_user
from tasks.probe import Probe, Scene, each

SECONDS = 15
"""For one node's access; a mount that hangs costs no more."""
OPEN = "root"
"""The folder in which everybody may write: a root who is not squashed shows there."""
SQUASHED = "root of another node owns nothing in the share"
_MAKE = 'mkdir -m 0755 "$1" && mkdir "$1/$2" && chmod 1777 "$1/$2"'
# $1 folder, $2 word, $3 this node's name, $4 seconds; the rest is the way to become the user
_WRITE = """
folder=$1 word=$2 name=$3 seconds=$4
shift 4
say() { echo "$@" | tr "\\n" " "; echo; }
said=$(timeout -k 1 "$seconds" "$@" sh -c 'echo "$2 $3" >"$1/$3" && sync "$1/$3"' \
    write "$folder" "$word" "$name" 2>&1)
status=$?
say "write $status $said"
[ $status -eq 0 ] || exit 0
said=$(timeout -k 1 "$seconds" sh -c 'touch "$1" && stat -c %u "$1"' \
    root "$folder/root/$name" 2>&1)
say "root $? $said"
"""
_READ = """
cd "$1" || exit
for file in *; do [ ! -f "$file" ] || echo "$(stat -c %u "$file") $(cat "$file")"; done
"""


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


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a try ended on a node: 0 is well; None means that it was not made."""

    status: int | None
    said: str

    @property
    def hung(self) -> bool:
        """Whether `timeout` ended it."""
        return self.status in {124, 137}


def outcome(text: str, what: str) -> Outcome:
    """Return how one try ended, from what the probe printed."""
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        status, _, said = rest.partition(" ")
        if word == what and status.isdecimal():
            return Outcome(int(status), said.strip())
    return Outcome(None, text.strip()[-200:] or "not tried")


def judge_write(guest: Guest, found: Outcome, fix: str) -> Check:
    """Return the verdict on a node's write."""
    said = f"no answer within {SECONDS} s" if found.hung else found.said
    return Check(
        name="nfs.write",
        host=guest.name,
        ok=found.status == 0,
        measured="written" if found.status == 0 else said or "not written",
        expected="written",
        cause="The export of the head or this node's mount is gone or hangs.",
        fix=fix,
    )


def judge_read(
    guest: Guest, writers: Sequence[Guest], token: Token, text: str, fix: str
) -> list[Check]:
    """Return one verdict a writer: its file has its word and the cluster's uid."""
    lines, uid = text.splitlines(), guest.settings.uid
    return [
        Check(
            name="nfs.read",
            host=guest.name,
            ok=f"{uid} {token.word} {other.name}" in lines,
            measured=next(
                (one for one in lines if one.endswith(f" {other.name}")),
                f"no file of {other.name}",
            ),
            expected=f"{uid} {token.word} {other.name}",
            cause="The share is not mounted here, or another one is.",
            fix=fix,
        )
        for other in writers
    ]


def judge_squash(head: Guest, other: Guest, found: Outcome, fix: str) -> Check:
    """Return the verdict on a file that root of another node wrote; the head's export decides."""
    if found.status == 0:
        measured = f"root of {other.name} wrote a file of uid {found.said}"
    else:
        denied = "denied" in found.said or "not permitted" in found.said
        word = "was refused" if denied else "was not tried"
        measured = f"root of {other.name} {word}: {found.said}"
    wrote = found.status == 0 and found.said.isdecimal() and found.said != "0"
    refused = found.status not in {0, None} and "was refused" in measured
    return Check(
        name="nfs.squash",
        host=head.name,
        ok=wrote or refused,
        measured=measured,
        expected=f"root of {other.name} owns nothing: another uid, or refused",
        cause="The head exports the share with no_root_squash: /etc/exports, or exportfs by hand.",
        fix=fix,
    )


def share(task: Task, scene: Scene) -> Iterator[Check]:
    """Write on every node, read on every node, and remove what was written."""
    settings, guests = scene.cluster.settings, {one.name: one for one in scene.there()}
    head, token = scene.cluster.head, Token.fresh(settings)
    local, user = shell(task), as_user(settings, [])

    def write(name: str) -> Completed:
        argv = ["sh", "-c", _WRITE, "share", token.folder, token.word, name, str(SECONDS), *user]
        return scene.shell(name).run(argv, timeout=2 * SECONDS + 10, check=False)

    def read(name: str) -> Completed:
        argv = as_user(settings, ["sh", "-c", _READ, "share", token.folder])
        return scene.shell(name).run(argv, timeout=SECONDS, check=False)

    try:
        local.run(as_user(settings, ["sh", "-c", _MAKE, "share", token.folder, OPEN]))
        wrote = {name: _text(ended) for name, ended in each(guests, write).items()}
        for name, text in wrote.items():
            yield judge_write(guests[name], outcome(text, "write"), scene.rebuild)
        able = [name for name, text in wrote.items() if outcome(text, "write").status == 0]
        said = {name: _text(ended) for name, ended in each(able, read).items()}
        for name in able:
            writers = [guests[one] for one in able]
            yield from judge_read(guests[name], writers, token, said[name], scene.rebuild)
        others = [name for name in guests if name != head.name]
        for name in others:
            yield judge_squash(head, guests[name], outcome(wrote[name], "root"), scene.rebuild)
        if not others:
            yield skipped("nfs.squash", head.name, "there is no other node", SQUASHED)
    finally:
        local.run(["rm", "-rf", "--", token.folder], timeout=SECONDS)


def _text(ended: Completed | FarswitchError) -> str:
    """Return what a node printed, or why it could not be asked."""
    return ended.stdout + ended.stderr if isinstance(ended, Completed) else str(ended)


PROBE = Probe(
    "head",
    {
        "nfs.write": "Each node writes into the share.",
        "nfs.read": "Each node reads what each other wrote, with the cluster's uid.",
        "nfs.squash": "Root of another node owns nothing in the share.",
    },
    share,
    writes=True,
)

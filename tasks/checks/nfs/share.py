"""Is the share one: does what one node writes appear on every other, with the same owner?"""

from __future__ import annotations

from collections.abc import Iterator

from nornir.core.task import Task

from farswitch.connections.access import shell
from farswitch.connections.shell.protocol import Completed
from farswitch.errors import FarswitchError
from farswitch.guests.mpi_launch import as_user
from farswitch.proof.check import Check, skipped
from farswitch.proof.fan_out import each
from farswitch.proof.probe import Probe, Scene
from farswitch.rollback.at_logout import when_login_ends
from tasks.checks.nfs.share_judge import (
    SECONDS,
    Token,
    judge_read,
    judge_squash,
    judge_write,
    outcome,
)

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


def unmounted(scene: Scene) -> set[str]:
    """Return the nodes that were found without the share: it may hang there."""
    found = scene.findings.checks
    return {one.host for one in found if one.name == "nfs.mount" and one.ok is False}


def share(task: Task, scene: Scene) -> Iterator[Check]:
    """Write on every node, read on every node, and remove what was written."""
    settings, head = scene.cluster.settings, scene.cluster.head
    guests = {one.name: one for one in scene.there()}
    for name in unmounted(scene) & guests.keys() - {head.name}:
        del guests[name]
        for check in ("nfs.write", "nfs.read"):
            yield skipped(check, name, "its 'nfs.mount' failed")
    yield from scene.left_out({name: PROBE.checks[name] for name in ("nfs.write", "nfs.read")})
    token = Token.fresh(settings)
    local, user = shell(task), as_user(settings, [])

    def write(name: str) -> Completed:
        argv = ["sh", "-c", _WRITE, "share", token.folder, token.word, name, str(SECONDS), *user]
        return scene.shell(name).run(argv, timeout=2 * SECONDS + 10, check=False)

    def read(name: str) -> Completed:
        argv = as_user(settings, ["sh", "-c", _READ, "share", token.folder])
        return scene.shell(name).run(argv, timeout=SECONDS, check=False)

    remove = ["rm", "-rf", "--", token.folder]
    tidy = when_login_ends(local, remove)
    try:
        local.run(as_user(settings, ["sh", "-c", _MAKE, "share", token.folder, OPEN]))
        wrote = {name: _text(ended) for name, ended in each(guests, write).items()}
        for name, text in wrote.items():
            yield judge_write(guests[name], outcome(text, "write"), scene.rebuild)
        able = [name for name, text in wrote.items() if outcome(text, "write").status == 0]
        for name in guests.keys() - set(able):
            yield skipped("nfs.read", name, "its 'nfs.write' failed")
        said = {name: _text(ended) for name, ended in each(able, read).items()}
        for name in able:
            writers = [guests[one] for one in able]
            yield from judge_read(guests[name], writers, token, said[name], scene.rebuild)
        others = [name for name in able if name != head.name]
        for name in others:
            yield judge_squash(head, guests[name], outcome(wrote[name], "root"), scene.rebuild)
        if not others:
            yield skipped("nfs.squash", head.name, "no other node writes into it", SQUASHED)
    finally:
        with tidy:
            local.run(remove, timeout=SECONDS)


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
    each=frozenset({"nfs.write", "nfs.read"}),
    writes=True,
)

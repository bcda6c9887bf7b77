"""Is the share one: does what one node writes appear on every other, with the same owner?"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from nornir.core.task import Task

from farswitch.connections.access import shell
from farswitch.connections.shell.protocol import Completed
from farswitch.guests.mpi_launch import as_user
from farswitch.pace import whole
from farswitch.proof.check import Check, folded, skipped
from farswitch.proof.context import Context
from farswitch.proof.probe import Observe, Observed, Probe, Proof, sound
from farswitch.remote import shell_command
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


@dataclass(frozen=True, slots=True)
class Folder:
    """The folder in the share where all nodes write; the head removes it in any case.

    `removal` waits for the end of our login to the head, so that it removes the folder also where
    this program is killed.
    """

    token: Token
    removal: AbstractContextManager[object]

    def write(self, task: Task, context: Context) -> str:
        """Write on one node as the cluster's user, and as root; return how both ended."""
        user = as_user(context.cluster.settings, [])
        token = self.token
        argv = shell_command("share_write", token.folder, token.word, task.host.name)
        argv += [str(whole(SECONDS)), *user]
        return _text(shell(task).run(argv, timeout=2 * SECONDS + 10, check=False))

    def read(self, task: Task, context: Context) -> str:
        """Read on one node what all wrote."""
        argv = shell_command("share_read", self.token.folder)
        user = as_user(context.cluster.settings, argv)
        return _text(shell(task).run(user, timeout=SECONDS, check=False))

    def remove(self, task: Task, _context: Context) -> None:
        """Remove it."""
        with self.removal:
            shell(task).run(_removal(self.token), timeout=SECONDS)


def make(task: Task, context: Context) -> Folder:
    """Make the folder on the head."""
    settings = context.cluster.settings
    token, login = Token.fresh(settings), shell(task)
    folder = Folder(token, when_login_ends(login, _removal(token)))
    try:
        login.run(as_user(settings, ["sh", "-c", _MAKE, "share", token.folder, OPEN]))
    except BaseException:
        with folder.removal:
            raise
    return folder


def prove(context: Context) -> Proof:
    """Write on every node, read on every node, and remove what was written."""
    head = context.cluster.head.name
    made: Observed[Folder] = yield {"head": make}
    folder = sound(made[head])
    without = unmounted(context) - {head}
    written = yield {"guests": unless(without, folder.write)}
    wrote = {name: str(text) for name, text in written.items() if name not in without}
    able = [name for name, text in wrote.items() if outcome(text, "write").status == 0]
    seen = yield {"guests": unless(written.keys() - set(able), folder.read)}
    read = {name: str(text) for name, text in seen.items() if name in able}
    removed: Observed[None] = yield {"head": folder.remove}

    def verdicts() -> Iterator[Check]:
        yield from judge(context, folder.token, wrote, read)
        sound(removed[head])

    return {head: verdicts()}


def unmounted(context: Context) -> set[str]:
    """Return the nodes that were found without the share: it may hang there."""
    checks = context.evidence.checks
    return {check.host for check in checks if check.name == "nfs.mount" and check.ok is False}


def unless(names: Collection[str], observe: Observe) -> Observe:
    """Return an observation that some hosts are spared."""
    return lambda task, context: None if task.host.name in names else observe(task, context)


def judge(
    context: Context, token: Token, wrote: Mapping[str, str], read: Mapping[str, str]
) -> Iterator[Check]:
    """Yield the verdicts, from what the nodes printed as they wrote and read."""
    cluster, rebuild = context.cluster, context.rebuild
    guests = {guest.name: guest for guest in cluster.guests}
    for guest in context.there():
        if guest.name not in wrote:
            for check in ("nfs.write", "nfs.read"):
                yield skipped(check, guest.name, "its 'nfs.mount' failed")
    yield from context.left_out({name: CHECKS[name] for name in ("nfs.write", "nfs.read")})
    for name, text in wrote.items():
        yield judge_write(guests[name], outcome(text, "write"), rebuild)
        if name not in read:
            yield skipped("nfs.read", name, "its 'nfs.write' failed")
    for name, text in read.items():
        writers = [guests[writer] for writer in read]
        yield from folded(judge_read(guests[name], writers, token, text, rebuild), len(writers))
    others = [name for name in read if name != cluster.head.name]
    for name in others:
        root = outcome(wrote[name], "root")
        yield judge_squash(cluster.head, guests[name], root, rebuild)
    if not others:
        yield skipped("nfs.squash", cluster.head.name, "no other node writes into it", SQUASHED)


def _removal(token: Token) -> list[str]:
    return ["rm", "-rf", "--", token.folder]


def _text(ended: Completed) -> str:
    return ended.stdout + ended.stderr


CHECKS = {
    "nfs.write": "Each node writes into the share.",
    "nfs.read": "Each node reads what each other wrote, with the cluster's uid.",
    "nfs.squash": "Root of another node owns nothing in the share.",
}
PROBE = Probe("head", CHECKS, prove, each=frozenset({"nfs.write", "nfs.read"}), writes=True)

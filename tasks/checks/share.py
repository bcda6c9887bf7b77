"""Is the share one: does what one node writes appear on every other, with the same owner?"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from nornir.core.task import Result, Task

from connections.access import shell
from connections.command import CommandTimeoutError
from inventory.hosts import guest_of
from inventory.model import Guest, Settings
from tasks.check import Check
from tasks.mpi_run import as_user

SECONDS = 120
"""The first access mounts; the head may still be starting its NFS server."""


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


def share_write(task: Task, settings: Settings, token: Token) -> Result:
    """Write this node's file into the share, as the cluster's user."""
    guest = guest_of(task.host)
    script = 'mkdir -p "$1" && echo "$2" >"$1/$3" && sync "$1/$3"'
    argv = ["sh", "-c", script, "share", token.folder, f"{token.word} {guest.name}", guest.name]
    status, _, said = _run(task, settings, argv)
    check = Check(
        name="nfs.write",
        host=guest.name,
        ok=status == 0,
        measured=said.strip() or f"status {status}",
        expected="status 0",
        hint="Look: systemctl status nfs-server (head) or the share's automount unit (others).",
    )
    return Result(host=task.host, checks=[check])


def judge(guest: Guest, others: Sequence[Guest], token: Token, uid: int, text: str) -> list[Check]:
    """Return one verdict a writer: its file has its word and the cluster's uid."""
    lines = set(text.splitlines())
    return [
        Check(
            name="nfs.read",
            host=guest.name,
            ok=f"{uid} {token.word} {other.name}" in lines,
            measured=next((one for one in lines if one.endswith(f" {other.name}")), "no such file"),
            expected=f"{uid} {token.word} {other.name}",
            hint="The share is not mounted here, or another one is: python -m workflows.build",
        )
        for other in others
    ]


def share_read(task: Task, settings: Settings, guests: Sequence[Guest], token: Token) -> Result:
    """Read all nodes' files on this one."""
    guest = guest_of(task.host)
    script = 'cd "$1" && for file in *; do echo "$(stat -c %u "$file") $(cat "$file")"; done'
    argv = ["sh", "-c", script, "share", token.folder]
    _, said, _ = _run(task, settings, argv)
    checks = judge(guest, guests, token, settings.uid, said)
    return Result(host=task.host, checks=checks)


def _run(task: Task, settings: Settings, argv: Sequence[str]) -> tuple[int | None, str, str]:
    """Return status, output and error of a command; no status where it did not end in time."""
    try:
        ended = shell(task).run(as_user(settings, argv), timeout=SECONDS, check=False)
    except CommandTimeoutError:
        return None, "", f"no answer within {SECONDS} s"
    return ended.status, ended.stdout, ended.stderr


def share_clean(task: Task, settings: Settings, token: Token) -> Result:
    """Remove what this run wrote."""
    shell(task).run(as_user(settings, ["rm", "-rf", "--", token.folder]), timeout=SECONDS)
    return Result(host=task.host)

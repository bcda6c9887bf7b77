"""What a node's write, read and root mean for the share."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from farswitch.model.machines import Guest
from farswitch.model.settings import Settings
from farswitch.pace import whole
from farswitch.proof.check import Check

SECONDS = 15
"""For one node's access; a mount that hangs costs no more."""


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
class Attempt:
    """How a try ended on a node: 0 is well; None means that it was not made."""

    status: int | None
    message: str

    @property
    def hung(self) -> bool:
        """Whether `timeout` ended it."""
        return self.status in {124, 137}


def outcome(text: str, what: str) -> Attempt:
    """Return how one try ended, from what the probe printed."""
    for line in text.splitlines():
        word, _, ended = line.partition(" ")
        status, _, message = ended.partition(" ")
        if word == what and status.isdecimal():
            return Attempt(int(status), message.strip())
    return Attempt(None, text.strip()[-200:] or "not tried")


def judge_write(guest: Guest, attempt: Attempt, fix: str) -> Check:
    """Return the verdict on a node's write."""
    message = f"no answer within {whole(SECONDS)} s" if attempt.hung else attempt.message
    return Check(
        name="nfs.write",
        host=guest.name,
        ok=attempt.status == 0,
        measured="written" if attempt.status == 0 else message or "not written",
        expected="written",
        cause="The export of the head or this node's mount is gone or hangs.",
        fix=fix,
    )


def judge_read(
    guest: Guest, writers: Sequence[Guest], token: Token, text: str, fix: str
) -> list[Check]:
    """Return one verdict a writer: its file has its word and the cluster's uid."""
    lines, uid = text.splitlines(), guest.settings.uid
    seen, last_word = frozenset(lines), {line.rpartition(" ")[2]: line for line in reversed(lines)}
    return [
        Check(
            name="nfs.read",
            host=guest.name,
            ok=f"{uid} {token.word} {other.name}" in seen,
            measured=last_word.get(other.name, f"no file of {other.name}"),
            expected=f"{uid} {token.word} {other.name}",
            cause="The share is not mounted here, or another one is.",
            fix=fix,
        )
        for other in writers
    ]


def judge_squash(head: Guest, other: Guest, attempt: Attempt, fix: str) -> Check:
    """Return the verdict on a file that root of another node wrote; the head's export decides."""
    if attempt.status == 0:
        measured = f"root of {other.name} wrote a file of uid {attempt.message}"
    else:
        denied = "denied" in attempt.message or "not permitted" in attempt.message
        word = "was refused" if denied else "was not tried"
        measured = f"root of {other.name} {word}: {attempt.message}"
    wrote = attempt.status == 0 and attempt.message.isdecimal() and attempt.message != "0"
    refused = attempt.status not in {0, None} and "was refused" in measured
    return Check(
        name="nfs.squash",
        host=head.name,
        ok=wrote or refused,
        measured=measured,
        expected=f"root of {other.name} owns nothing: another uid, or refused",
        cause="The head exports the share with no_root_squash: /etc/exports, or exportfs by hand.",
        fix=fix,
    )

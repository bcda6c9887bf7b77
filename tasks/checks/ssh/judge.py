"""What the logins of one node to the others mean: where each failed, and who lacks which key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from farswitch.model.machines import Guest
from farswitch.proof.check import Check

Kind = Literal["refused", "host key", "way", "name", "sshd", "hangs", "other"]
_SIGNS: tuple[tuple[str, Kind], ...] = (
    ("Permission denied", "refused"),
    ("Too many authentication failures", "refused"),
    ("Host key verification failed", "host key"),
    ("host key is known", "host key"),
    ("No route to host", "way"),
    ("Network is unreachable", "way"),
    ("timed out", "way"),
    ("Could not resolve hostname", "name"),
    ("Connection refused", "sshd"),
    ("Connection closed", "sshd"),
    ("Connection reset", "sshd"),
)
_CAUSES: dict[Kind, str] = {
    "host key": "{source}'s /etc/ssh/ssh_known_hosts lacks or contradicts {target}'s host key.",
    "way": "No way over the data network: look at the switch's ports of {source} and {target}.",
    "name": "{source}'s /etc/hosts lacks {target}.",
    "sshd": "{target}'s sshd does not take connections on the data network.",
    "hangs": "{target}'s sshd takes connections and does not answer in time.",
    "other": "Log in by hand on {source} to see more: ssh -v {target}",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What one login gave: the status of ssh, and its last line."""

    status: int
    message: str

    @property
    def kind(self) -> Kind:
        """What ended the login."""
        if self.status == 124:  # noqa: PLR2004 - timeout(1)'s own
            return "hangs"
        return next((kind for sign, kind in _SIGNS if sign in self.message), "other")


@dataclass(frozen=True, slots=True)
class Keys:
    """Whether the source has the cluster's private key, and the target lets it in; None: unread."""

    private: bool | None
    authorized: bool | None


def parse(text: str) -> dict[str, Answer]:
    """Return each target's answer."""
    answers = {}
    for line in text.splitlines():
        name, _, ended = line.partition(" ")
        status, _, message = ended.partition(" ")
        if status.isdecimal():
            answers[name] = Answer(int(status), message.strip())
    return answers


def lacking(source: Guest, target: Guest, keys: Keys) -> tuple[str, str]:
    """Return which node lacks which key, and the sentence of the cause."""
    home = f"/home/{source.settings.user}/.ssh"
    lacks = []
    if keys.private is False:
        lacks.append(f"{source.name} lacks the private key {home}/id_ed25519")
    if keys.authorized is False:
        lacks.append(f"{target.name} lacks the public key in {home}/authorized_keys")
    if lacks:
        return " and ".join(lacks), "Somebody removed or changed the key."
    return "", f"Both have their key: look at owner and mode of {home}, and at {target.name}'s sshd"


def judge(
    source: Guest,
    targets: Sequence[Guest],
    answers: dict[str, Answer],
    keys_of: Callable[[Guest], Keys],
    fix: str,
) -> Iterator[Check]:
    """Yield one verdict a pair.

    `keys_of` is asked only where a login was refused; an answer that is missing has failed.
    """
    for target in targets:
        answer = answers.get(target.name)
        expected = f"to {target.name}: '{target.name}'"
        if answer and answer.status == 0 and answer.message == target.name:
            yield Check("ssh.pair", source.name, ok=True, measured=expected, expected=expected)
            continue
        measured, cause = _failure(source, target, answer, keys_of)
        yield Check(
            "ssh.pair", source.name, ok=False, measured=f"to {target.name}: {measured}",
            expected=expected, cause=cause, fix=fix,
        )  # fmt: skip


def _failure(
    source: Guest, target: Guest, answer: Answer | None, keys_of: Callable[[Guest], Keys]
) -> tuple[str, str]:
    if answer is None:
        return "not probed", f"{source.name} did not come to it in time."
    if answer.status == 0:
        return f"'{answer.message}' answers", f"{source.name}'s /etc/hosts names another node so."
    measured = f"status {answer.status}, '{answer.message}'"
    kind = answer.kind
    if kind == "refused":
        lacks, cause = lacking(source, target, keys_of(target))
        return f"{measured}: {lacks}" if lacks else measured, cause
    return measured, _CAUSES[kind].format(source=source.name, target=target.name)

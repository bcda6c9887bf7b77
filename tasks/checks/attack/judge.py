"""The verdict on each attack, from what the senders say and the listeners counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import or_

from farswitch.model.machines import DATA_NIC, MANAGEMENT_NIC
from farswitch.proof.check import Check
from tasks.checks.attack.expected import Attack
from tasks.checks.attack.kinds import AttackPair, Kind, Label, Place

UNHEARD = (
    "What is allowed did not arrive either, so the attack proves nothing: see the other checks."
)
UNMADE = "The frames never reached the guard, so the attack proves nothing."


@dataclass(frozen=True, slots=True)
class Sent:
    """What a sender says of one stream: wanted, sent, and its first error."""

    wanted: int
    sent: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class Counted:
    """What all listeners counted.

    Attributes:
        frames: A bit for each number of a stream's frames, by label and place.
        answers: How many answers to ARP came in at a place, by the address that answered.
    """

    frames: Mapping[Label, Mapping[Place, int]]
    answers: Mapping[Place, Mapping[str, int]] = field(default_factory=dict)

    def at(self, label: Label, place: Place) -> int:
        """Return how many different frames of a stream came in at a place."""
        return self.frames.get(label, {}).get(place, 0).bit_count()


def judge(attack: Attack, sent: Sent | None, counted: Counted, fix: str) -> Check:
    """Return the verdict on one attack.

    What arrived is a failure, however little of the attack was made; that nothing arrived counts
    only where all of it was made, and where the listeners heard what is allowed.
    """
    wanted = sent.wanted if sent else 0
    ok, measured, cause = True, f"0 of {wanted} {attack.text} arrived (control seen)", ""
    count, where = _arrived(attack, counted)
    if where:
        ok, cause = False, attack.cause
        measured = f"{count} of {wanted} {attack.text} arrived: {', '.join(where)}"
    elif why := _unmade(attack, sent, counted):
        ok, cause, measured = False, UNMADE, f"not made {attack.text}: {why}"
    elif not attack.controls:
        ok, cause, measured = False, UNHEARD, f"not judged {attack.text}: no control was sent there"
    elif deaf := [place for label, place in attack.controls if not counted.at(label, place)]:
        ok, cause = False, UNHEARD
        measured = f"not judged {attack.text}: no control frame came in at {deaf[0]}"
    return Check(
        name=attack.label.kind.check,
        host=attack.host,
        ok=ok,
        measured=measured,
        expected=f"none {attack.text} arrives",
        cause=cause,
        fix=fix,
    )


def judge_legitimate(
    opponents: AttackPair, sender: Sent | None, counted: Counted, fix: str
) -> Check:
    """Return the verdict on what a guest sent over the switch while the attacks went on."""
    label = legitimate(opponents)
    came = counted.at(label, Place(opponents.victim.name, DATA_NIC))
    wanted, left = (sender.wanted, sender.sent) if sender else (0, 0)
    said = f": {sender.error}" if sender and sender.error else ""
    return Check(
        name=label.kind.check,
        host=opponents.attacker.name,
        ok=0 < wanted == left == came,
        measured=f"{came} of {left} arrived at {opponents.victim.name}{said}",
        expected=f"all of {wanted} sent to {opponents.victim.name} arrive",
        cause="An attack that got through turned it aside, or the guard stops what is allowed.",
        fix=fix,
    )


def legitimate(opponents: AttackPair) -> Label:
    """Return the label of what a guest sends over the switch."""
    return Label(Kind.LEGITIMATE, opponents.attacker.index)


def _arrived(attack: Attack, counted: Counted) -> tuple[int, list[str]]:
    """Return how many different frames arrived anywhere, and what came in where."""
    found = {
        place: numbers
        for place, numbers in counted.frames.get(attack.label, {}).items()
        if place in attack.closed and place.host != attack.spared
    }
    where = [f"{numbers.bit_count()} at {place}" for place, numbers in sorted(found.items())]
    answers = counted.answers.get(Place(attack.spared, MANAGEMENT_NIC), {})
    where += [f"{answers[one]} answers from {one}" for one in attack.silent if one in answers]
    return reduce(or_, found.values(), 0).bit_count(), where


def _unmade(attack: Attack, sent: Sent | None, counted: Counted) -> str:
    if sent is None:
        return "its sender reported nothing"
    if sent.sent < sent.wanted:
        return f"{sent.sent} of {sent.wanted} sent, {sent.error or 'no error'}"
    if (left := counted.at(attack.label, attack.start)) < sent.wanted:
        return f"{left} of {sent.wanted} came to {attack.start}"
    return ""

"""What follows from a port that was down for some seconds; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from farswitch.connections.netlink.links import Link
from farswitch.errors import FarswitchError
from farswitch.model.machines import Guest
from farswitch.proof.check import Check
from tasks.checks.control.job import LIFE_SECONDS, Watched

STALL_SECONDS, LAST_LAP = 5.0, 2.0
"""A job fails within the first: it ends, or ends no lap after the second. MPI over TCP waits for
peers that are cut off, so a program that hangs is the failure; ours tells each lap."""
TIMER_SECONDS = 60
"""The switch brings a port up by itself after this time: a cut takes a tenth of it."""
BACK_SECONDS = 30.0
"""Until all answer again: TCP and ARP ask again after at most some seconds."""
SHOWN = 6
"""Pairs that a message names."""

Answers = Mapping[str, "frozenset[str] | FarswitchError"]
"""By guest: the addresses that answered it, or why it could not ask."""


@dataclass(frozen=True, slots=True)
class State:
    """A port of the switch as it is: the interface, and what its bridge knows of it.

    Attributes:
        link: The interface; None when it is not there.
        written: The entries of the FDB that were written, not learnt, as (address, device).
        places: Where the guests' addresses are: by address the ports. None: no bridge holds them.
    """

    link: Link | None
    written: frozenset[tuple[str, str]]
    places: Mapping[str, frozenset[str]] | None


def judge_cut(
    guest: Guest, guests: Sequence[Guest], heard: Answers, where: str, rebuild: str
) -> Check:
    """Return the verdict on who reached whom while a guest's port was down.

    A guest that could not ask has failed, whatever the others say.
    """
    wrong = _astray(guests, heard, cut=guest)
    others = [other.name for other in guests if other != guest]
    alone = f"{guest.name} heard nobody and nobody heard it; the others heard each other"
    return Check(
        name="control.cut",
        host=guest.name,
        ok=not wrong,
        measured=f"{where} down: {_some(wrong) if wrong else alone}",
        expected=f"{guest.name} is cut off from {', '.join(others)}, and nobody else is",
        cause="Guests that still hear each other have a way around the switch; others that do not "
        "share more than the switch with this port.",
        fix=rebuild if wrong else "",
    )


def judge_job(guest: Guest, watched: Watched, where: str, rebuild: str) -> Check:
    """Return the verdict on the job that ran while a guest's port went down.

    `rebuild` is the command that pins MPI to the data NIC again.
    """
    limit = STALL_SECONDS * watched.pace
    late = [lap for lap in watched.laps if lap > LAST_LAP * watched.pace]
    stalled = watched.seconds >= limit and not late
    if watched.ended:
        measured = f"it ended after {watched.seconds:.1f} s: {watched.ended}"
    elif late:
        measured = f"it went on: {len(late)} laps, the last {late[-1]:.1f} s after the cut"
    elif not stalled:
        measured = f"it was watched for {watched.seconds:.1f} s only"
    else:
        last = f"{watched.laps[-1]:.1f} s after the cut" if watched.laps else "before the cut"
        measured = f"it hangs: its last lap ended {last}, none in {watched.seconds:.1f} s"
    return Check(
        name="control.job",
        host=guest.name,
        ok=bool(watched.ended) or stalled,
        measured=f"{where} down: {measured}",
        expected=f"a running MPI job ends, or ends no more laps, within {limit:.0f} s",
        cause="Its messages do not cross this port of the switch.",
        fix="" if watched.ended or stalled else rebuild,
    )


def judge_back(
    guest: Guest, guests: Sequence[Guest], heard: Answers, *, job: str, states: tuple[State, State],
    rebuild: str,
) -> Check:  # fmt: skip
    """Return the verdict on the cluster once a guest's port is up again.

    `job` is why a new MPI job did not run; `states` are of the port before it went down, and now.
    """
    wrong = _astray(guests, heard, cut=None)
    wrong += [f"no new MPI job: {job}"] if job else []
    wrong += _differences(guest, *states)
    return Check(
        name="control.back",
        host=guest.name,
        ok=not wrong,
        measured=_some(wrong) if wrong else f"{guest.tunnel} up: all hear all, a new MPI job runs",
        expected=f"all as before within {BACK_SECONDS:.0f} s",
        cause="Something that takes notice of a port's state did not come back with it.",
        fix=rebuild if wrong else "",
    )


def judge_timer(guest: Guest, seconds: float, *, in_time: bool, bring_up: str) -> Check:
    """Return the verdict on the timer of the switch that would have brought a port up again."""
    how = "disarmed" if in_time else "it fired before it was disarmed,"
    return Check(
        name="control.timer",
        host=guest.name,
        ok=in_time,
        measured=f"{guest.tunnel}: {how} after {seconds:.1f} s",
        expected=f"disarmed within {TIMER_SECONDS} s, the port up",
        cause="The machine is so busy that the control took too long: its other verdicts on this "
        "port say nothing.",
        fix="" if in_time else bring_up,
    )


def judge_left(guest: Guest, swept: tuple[int, bool] | FarswitchError | None) -> Check:
    """Return the verdict on what the jobs left on a guest.

    `swept` is how many processes are left, and whether any had to be killed; or why nobody knows.
    """
    left, killed = swept if isinstance(swept, tuple) else (1, False)
    measured = f"{left} processes of the jobs" if left else "nothing"
    if not isinstance(swept, tuple):
        measured = f"not probed: {swept}"
    elif killed:
        measured += "; some had to be killed"
    return Check(
        name="control.left",
        host=guest.name,
        ok=left == 0,
        measured=measured,
        expected="nothing of the jobs",
        cause="Ranks that wait for a file server or a stopped processor cannot be killed.",
        fix=f"They end by themselves within {LIFE_SECONDS} s" if left else "",
    )


def _differences(guest: Guest, before: State, now: State) -> list[str]:
    """Return how a port is not what it was; what others' aged out of the FDB does not count."""
    differences = []
    if before.link != now.link:
        differences.append(f"{guest.tunnel} is {now.link}, and was {before.link}")
    if before.written != now.written:
        changed = sorted(before.written ^ now.written)
        differences.append(f"the FDB's written entries differ: {changed[:SHOWN]}")
    if now.places is None:
        return differences
    at = now.places.get(guest.data_mac, frozenset())
    if at != {guest.tunnel}:
        where = ", ".join(sorted(at)) or "no port"
        differences.append(f"{guest.data_mac} of {guest.name} is on {where}, not {guest.tunnel}")
    return differences


def _astray(guests: Sequence[Guest], heard: Answers, cut: Guest | None) -> list[str]:
    """Return each ordered pair that heard of each other, or did not, against what is wanted."""
    wrong = []
    for guest in guests:
        answers = heard.get(guest.name)
        if not isinstance(answers, frozenset):
            wrong.append(f"{guest.name} could not ask: {answers or 'not probed'}")
            continue
        for other in guests:
            apart = cut in {guest, other}
            answered = str(other.data_address.ip) in answers
            if other != guest and answered == apart:
                verb = "heard" if answered else "did not hear"
                wrong.append(f"{guest.name} {verb} {other.name}")
    return wrong


def _some(wrong: Sequence[str]) -> str:
    more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
    return "; ".join(wrong[:SHOWN]) + more

"""The traffic itself: listeners everywhere, then all senders side by side, then the reports.

Listeners and senders of all hosts run at one moment, so they are started, and waited for, by
threads of one task: a stage of Nornir ends on each host before the next one begins.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from farswitch.connections.shell.base import Shell
from farswitch.errors import FarswitchError
from farswitch.proof.fan_out import AT_ONCE, each_or_raise
from farswitch.remote import command
from farswitch.remote_program import RemoteProgram
from tasks.checks.attack.judge import Counted, Sent
from tasks.checks.attack.kinds import FrameStream, Kind, Label, Place

GAP = 0.01
"""Seconds between two rounds: slow enough that no queue on the way overflows under emulation."""
SENDING = 60.0
"""Seconds until a sender is ended; it needs about two, and ten where the machine is busy."""


class Ready(BaseModel):
    """A listener listens."""

    ready: Literal[True]


class Finish(BaseModel):
    """A listener is to report, as soon as nothing comes any more."""

    finish: Literal[True] = True


class ListenReport(BaseModel):
    """What a listener counted, and how many frames the kernel had no room for.

    Attributes:
        frames: Interface, kind, sender, and the numbers' bits in hexadecimal digits.
        answers: Interface, address that answered to ARP, count.
        lost: How many frames.
    """

    frames: Sequence[tuple[str, int, int, str]]
    answers: Sequence[tuple[str, str, int]]
    lost: int


class SendPlan(BaseModel):
    """What a sender is to send: interface, count and frames of each stream."""

    streams: Sequence[tuple[str, int, Sequence[str]]]


class SendReport(BaseModel):
    """How many frames of each stream a sender sent, and its first error."""

    streams: Sequence[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends what, by which login."""

    name: str
    shell: Shell
    streams: tuple[FrameStream, ...]


def listener(shell: Shell, token: bytes, seconds: float, nics: Sequence[str]) -> RemoteProgram:
    """Return a program that counts frames with a token; it ends after `seconds` in any case."""
    argv = command("attack_listen", token.hex(), str(int(seconds)), *nics)
    return RemoteProgram(shell, argv, name="listener", seconds=seconds)


def send_and_count(
    token: bytes,
    senders: Sequence[Sender],
    places: Mapping[str, Sequence[str]],
    shell: Callable[[str], Shell],
) -> tuple[dict[Label, Sent], Counted]:
    """Let all senders send while all listen.

    Args:
        token: What this run's frames bear.
        senders: Who sends what.
        places: The hosts that listen, on all interfaces; on those named also for frames to others.
        shell: The login to each of them.

    Returns:
        What the senders report, by stream, and what the listeners counted.

    Raises:
        FarswitchError: A listener or a sender failed, or lost frames.
    """
    seconds = SENDING * (3 + len(senders) // AT_ONCE)
    with ExitStack() as stack:

        def start(name: str) -> RemoteProgram:
            program = stack.enter_context(listener(shell(name), token, seconds, places[name]))
            program.receive(Ready)
            return program

        listeners = each_or_raise(places, start)
        by_name = {sender.name: sender for sender in senders}
        sent = each_or_raise(by_name, lambda name: send(by_name[name], token))
        reports = each_or_raise(listeners, lambda name: report(name, listeners[name]))
    return {label: one for streams in sent.values() for label, one in streams.items()}, merged(
        reports
    )


def report(host: str, program: RemoteProgram) -> ListenReport:
    """Let a listener end when nothing comes any more, and return what it counted.

    Raises:
        FarswitchError: It ended before, or lost frames.
    """
    found = program.ask(Finish(), ListenReport)
    if found.lost:
        raise FarswitchError(
            f"The listener on '{host}' lost {found.lost} frames.",
            hint="Run it again when the machine has less to do.",
        )
    return found


def send(sender: Sender, token: bytes) -> dict[Label, Sent]:
    """Let one sender send, and return what it reports of each stream."""
    streams = [
        (one.interface, one.count, [frame.hex() for frame in one.frames]) for one in sender.streams
    ]
    argv = command("attack_send", token.hex(), str(GAP))
    with RemoteProgram(sender.shell, argv, name="sender", seconds=SENDING) as program:
        done = program.ask(SendPlan(streams=streams), SendReport).streams
    return {
        stream.label: Sent(stream.count, count, error)
        for stream, (count, error) in zip(sender.streams, done, strict=False)
    }


def merged(reports: Mapping[str, ListenReport]) -> Counted:
    """Return the listeners' reports, by host, as one."""
    frames: dict[Label, dict[Place, int]] = defaultdict(dict)
    answers: dict[Place, dict[str, int]] = defaultdict(dict)
    known = set(Kind)
    for host, found in reports.items():
        for interface, kind, sender, bits in found.frames:
            if kind in known:
                frames[Label(Kind(kind), sender)][Place(host, interface)] = int(bits, 16)
        for interface, address, count in found.answers:
            answers[Place(host, interface)][address] = count
    return Counted(frames, answers)

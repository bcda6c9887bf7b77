"""Marked frames: sent by some hosts, counted on the interfaces of others, all at one moment.

It speaks with `remote/frame_counter.py` and `remote/frame_sender.py`, which are started, and waited
for, by threads of one task: a stage of Nornir ends on each host before the next one begins.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from pydantic import BaseModel

from farswitch.connections.shell.base import Shell
from farswitch.errors import FarswitchError
from farswitch.pace import patient, whole
from farswitch.proof.fan_out import AT_ONCE, each, each_or_raise
from farswitch.remote import command
from farswitch.remote_program import RemoteProgram

TOKEN_BYTES = 8
GAP = 0.01
"""Seconds between two rounds: slow enough that no queue on the way overflows under emulation."""
SENDING = 60.0
"""Seconds until a sender is ended; it needs about two, and ten where the machine is busy."""
QUIET = 0.5
"""Seconds without a frame after which a listener takes the sending for over."""
Way = Literal["in", "out"]


class Ready(BaseModel):
    """A listener listens."""

    ready: Literal[True]


class Finish(BaseModel):
    """A listener is to report, as soon as nothing comes any more."""

    finish: Literal[True] = True


class FrameCount(NamedTuple):
    """The frames of one kind and sender that passed an interface one way.

    `vni` is of the tunnel that they were within, None for none; `bits` has a bit for each number,
    in hexadecimal digits.
    """

    interface: str
    way: Way
    vni: int | None
    kind: int
    sender: int
    bits: str


class ListenReport(BaseModel):
    """What a listener counted, and how many frames the kernel had no room for.

    Attributes:
        frames: What passed.
        answers: Interface, address that answered to ARP, count.
        lost: How many frames.
    """

    frames: Sequence[FrameCount]
    answers: Sequence[tuple[str, str, int]]
    lost: int


class SendPlan(BaseModel):
    """What a sender is to send: interface, count and frames of each stream."""

    streams: Sequence[tuple[str, int, Sequence[str]]]


class SendReport(BaseModel):
    """How many frames of each stream a sender sent, and its first error."""

    streams: Sequence[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class CountedFrames:
    """What senders and listeners report; `deaf` are those that could not listen, and why."""

    sent: Mapping[str, SendReport]
    heard: Mapping[str, ListenReport]
    deaf: Mapping[str, str] = field(default_factory=dict)


def listener(shell: Shell, token: bytes, seconds: float, nics: Sequence[str]) -> RemoteProgram:
    """Return a program that counts frames with a token; it ends after `seconds` in any case."""
    limit, quiet = whole(seconds), patient(QUIET)
    argv = command("frame_counter", token.hex(), str(limit), f"{quiet:g}", *nics)
    return RemoteProgram(shell, argv, name="listener", seconds=limit)


def count_frames(
    token: bytes,
    plans: Mapping[str, SendPlan],
    places: Mapping[str, Sequence[str]],
    shell: Callable[[str], Shell],
    *,
    spared: Collection[str] = (),
) -> CountedFrames:
    """Let all senders send while all listen.

    Args:
        token: What this run's frames bear.
        plans: What each sender sends.
        places: The hosts that listen, on all interfaces; on those named also for frames to others.
        shell: The login to each of them.
        spared: Hosts of `places` that may be unable to listen.

    Raises:
        FarswitchError: A listener or a sender failed, or lost frames.
    """
    seconds = SENDING * (3 + len(plans) // AT_ONCE)
    with ExitStack() as stack:

        def start(name: str) -> RemoteProgram:
            program = stack.enter_context(listener(shell(name), token, seconds, places[name]))
            program.receive(Ready)
            return program

        started = each(places, start)
        listeners = {}
        for name, outcome in started.items():
            if isinstance(outcome, RemoteProgram):
                listeners[name] = outcome
            elif name not in spared:
                raise outcome
        sent = each_or_raise(plans, lambda name: send(shell(name), plans[name], token))
        heard = each_or_raise(listeners, lambda name: report(name, listeners[name]))
    deaf = {name: str(why) for name, why in started.items() if isinstance(why, FarswitchError)}
    return CountedFrames(sent, heard, deaf)


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


def send(shell: Shell, plan: SendPlan, token: bytes) -> SendReport:
    """Let one sender send, and return what it reports of each stream."""
    argv = command("frame_sender", token.hex(), str(GAP))
    with RemoteProgram(shell, argv, name="sender", seconds=patient(SENDING)) as program:
        return program.ask(plan, SendReport)

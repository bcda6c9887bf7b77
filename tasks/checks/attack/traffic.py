"""The traffic itself: all attackers send side by side, while every host counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from farswitch.connections.shell.base import Shell
from farswitch.proof.frame_counts import ListenReport, SendPlan, count_frames
from tasks.checks.attack.judge import Counted, Sent
from tasks.checks.attack.kinds import FrameStream, Kind, Label, Place


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends what, by which login."""

    name: str
    shell: Shell
    streams: tuple[FrameStream, ...]

    @property
    def plan(self) -> SendPlan:
        """What its program is to send."""
        return SendPlan(
            streams=[
                (one.interface, one.count, [frame.hex() for frame in one.frames])
                for one in self.streams
            ]
        )


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
    by_name = {sender.name: sender for sender in senders}
    found = count_frames(
        token,
        {name: sender.plan for name, sender in by_name.items()},
        places,
        lambda name: by_name[name].shell if name in by_name else shell(name),
    )
    sent = {
        stream.label: Sent(stream.count, count, error)
        for name, said in found.sent.items()
        for stream, (count, error) in zip(by_name[name].streams, said.streams, strict=False)
    }
    return sent, merged(found.heard)


def merged(reports: Mapping[str, ListenReport]) -> Counted:
    """Return what came in by the listeners' reports, by host, as one."""
    frames: defaultdict[Label, defaultdict[Place, int]] = defaultdict(lambda: defaultdict(int))
    answers: dict[Place, dict[str, int]] = defaultdict(dict)
    known = set(Kind)
    for host, found in reports.items():
        for one in found.frames:
            if one.kind in known and one.way == "in":
                place = Place(host, one.interface)
                frames[Label(Kind(one.kind), one.sender)][place] |= int(one.bits, 16)
        for interface, address, count in found.answers:
            answers[Place(host, interface)][address] = count
    return Counted({label: dict(found) for label, found in frames.items()}, answers)

"""The fight itself: listeners everywhere, then all senders side by side, then what was heard."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from threading import Timer

from farswitch.connections.shell.protocol import Shell
from farswitch.errors import FarswitchError
from farswitch.proof.fan_out import AT_ONCE, each_or_raise
from farswitch.remote import source
from tasks.checks.attack.judge import Heard, Sent
from tasks.checks.attack.kinds import Kind, Label, Place, Stream

GAP = 0.01
"""Seconds between two rounds: slow enough that no queue on the way overflows under emulation."""
SENDING = 60.0
"""Seconds until a sender is ended; it needs about two, and ten where the machine is busy."""
_BLOCK = 1 << 16
PYTHON = ("python3", "-IS", "-c")
"""Without the folders of the user and the site: it starts faster, and nobody changes it."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends what, by which login."""

    name: str
    shell: Shell
    streams: tuple[Stream, ...]


class Listener:
    """A program on a host that counts frames with a token; it ends in any case after `seconds`."""

    def __init__(self, shell: Shell, token: bytes, seconds: float, nics: Sequence[str]) -> None:
        argv = (*PYTHON, source("attack_listen"), token.hex(), str(int(seconds)), *nics)
        self.host = shell.host
        self._process = shell.start(argv)
        self._timer = Timer(seconds, self._process.close)
        self._timer.start()

    def close(self) -> None:
        """End it, as it is."""
        self._timer.cancel()
        self._process.close()

    def await_start(self) -> None:
        """Wait until it hears.

        Raises:
            FarswitchError: It ended.
        """
        said = self._process.read(_BLOCK)
        if said.strip() != b"ready":
            raise self._failure()

    def report(self) -> list[list[str]]:
        """Let it end when nothing comes any more, and return what it counted: words of lines.

        Raises:
            FarswitchError: It ended before, or did not hear all.
        """
        said = b""
        try:
            self._process.write(b"\n")
            while block := self._process.read(_BLOCK):
                said += block
        except OSError as error:
            raise self._failure() from error
        spoken = [line.split() for line in said.decode().splitlines()]
        *lines, lost, end = spoken if len(spoken) > 1 else [[], []]
        if end != ["end"] or lost[:1] != ["lost"]:
            raise self._failure()
        if lost != ["lost", "0"]:
            raise FarswitchError(
                f"The listener on '{self.host}' lost {lost[-1]} frames.",
                hint="Run it again when the machine has less to do.",
            )
        return lines

    def _failure(self) -> FarswitchError:
        why = self._process.stderr_tail().strip() or "it said nothing"
        return FarswitchError(f"The listener on '{self.host}' ended: {why}")


def fight(
    token: bytes,
    senders: Sequence[Sender],
    places: Mapping[str, Sequence[str]],
    shell: Callable[[str], Shell],
) -> tuple[dict[Label, Sent], Heard]:
    """Let all senders send while all listen.

    Args:
        token: What this run's frames bear.
        senders: Who sends what.
        places: The hosts that listen, on all interfaces; on those named also for frames to others.
        shell: The login to each of them.

    Returns:
        What the senders say they sent, by stream, and what the listeners heard.

    Raises:
        FarswitchError: A listener or a sender failed, or lost frames.
    """
    seconds = SENDING * (3 + len(senders) // AT_ONCE)
    with ExitStack() as stack:

        def start(name: str) -> Listener:
            listener = Listener(shell(name), token, seconds, places[name])
            stack.callback(listener.close)
            listener.await_start()
            return listener

        listeners = each_or_raise(places, start)
        by_name = {one.name: one for one in senders}
        sent = each_or_raise(by_name, lambda name: send(by_name[name], token))
        heard = each_or_raise(listeners, lambda name: listeners[name].report())
    return {label: one for found in sent.values() for label, one in found.items()}, merged(heard)


def send(sender: Sender, token: bytes) -> dict[Label, Sent]:
    """Let one sender send, and return what it says of each stream; what it does not is missing."""
    plan = "".join(
        f"{one.interface} {one.count} {' '.join(frame.hex() for frame in one.frames)}\n"
        for one in sender.streams
    )
    argv = (*PYTHON, source("attack_send"), token.hex(), str(GAP))
    said = sender.shell.run(argv, stdin=plan, timeout=SENDING).stdout
    found = {}
    for stream, line in zip(sender.streams, said.splitlines(), strict=False):
        count, _, error = line.partition(" ")
        found[stream.label] = Sent(stream.count, int(count), error.strip())
    return found


def merged(reports: Mapping[str, Sequence[Sequence[str]]]) -> Heard:
    """Return the listeners' reports, by host, as one."""
    frames: dict[Label, dict[Place, int]] = defaultdict(dict)
    answers: dict[Place, dict[str, int]] = defaultdict(dict)
    known = set(Kind)
    for host, lines in reports.items():
        for what, interface, *words in lines:
            place = Place(host, interface)
            if what == "frame" and int(words[0]) in known:
                frames[Label(Kind(int(words[0])), int(words[1]))][place] = int(words[2], 16)
            elif what == "answer":
                answers[place][words[0]] = int(words[1])
    return Heard(frames, answers)

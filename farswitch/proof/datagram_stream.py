"""A stream of numbered datagrams between two guests: what an interruption costs (RFC 6201)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from farswitch.connections.shell.base import Shell
from farswitch.pace import patient
from farswitch.remote import command
from farswitch.remote_program import RemoteProgram

RATE = 200
"""Datagrams a second: emulated guests send and take as many without a loss of their own."""
LIFE_SECONDS = 600
"""A stream ends by itself after this time, also where nobody is left to end it."""
SECONDS = 20.0
"""For a program to begin, or to report."""


class Listening(BaseModel):
    """`datagrams.py`: it receives on this port."""

    port: int


class Sending(BaseModel):
    """`datagrams.py`: it has begun."""

    sending: Literal[True]


class End(BaseModel):
    """To `datagrams.py`."""


class SentDatagrams(BaseModel):
    """`datagrams.py`: what was sent."""

    sent: int


class ReceivedDatagrams(BaseModel):
    """`datagrams.py`: what was received."""

    received: int
    doubled: int
    silence_ms: float


@dataclass(frozen=True, slots=True)
class StreamFigures:
    """What became of a stream; times in milliseconds.

    Attributes:
        rate: Datagrams a second.
        lost, doubled: Datagrams that did not arrive, and that arrived once more.
        outage_ms: The lost ones at this rate (RFC 6201, frame-loss method).
        silence_ms: The longest time without a new one (RFC 6201, timestamp method); without any
            interruption it is what the guests' scheduling makes of one over the rate.
    """

    rate: int
    sent: int
    lost: int
    doubled: int
    outage_ms: float
    silence_ms: float

    def __str__(self) -> str:
        return (
            f"{self.lost} of {self.sent} datagrams at {self.rate}/s lost "
            f"({self.outage_ms:.0f} ms), {self.doubled} arrived twice, "
            f"longest silence {self.silence_ms:.0f} ms"
        )


class DatagramStream:
    """A stream that runs; `end` ends it and returns what became of it."""

    def __init__(self, sender: RemoteProgram, receiver: RemoteProgram, rate: int) -> None:
        self._sender, self._receiver, self._rate = sender, receiver, rate

    def end(self) -> StreamFigures:
        """End the stream and return its figures.

        Raises:
            RemoteProgramError: One of both ends does not report.
        """
        sent = self._sender.ask(End(), SentDatagrams).sent
        got = self._receiver.ask(End(), ReceivedDatagrams)
        lost = sent - got.received
        outage = 1000 * lost / self._rate
        return StreamFigures(self._rate, sent, lost, got.doubled, outage, got.silence_ms)


@contextmanager
def datagram_stream(
    sender: Shell, receiver: Shell, address: str, rate: int = RATE
) -> Iterator[DatagramStream]:
    """Send datagrams from one guest to another, which has the address, within a block.

    Raises:
        FarswitchError: A guest cannot be logged in to, or its program did not begin.
    """
    seconds = str(LIFE_SECONDS)
    take = command("datagrams", "receive", address, seconds)
    with RemoteProgram(receiver, take, name="stream's receiver", seconds=LIFE_SECONDS) as into:
        port = into.receive(Listening, patient(SECONDS)).port
        give = command("datagrams", "send", address, str(port), str(rate), seconds)
        with RemoteProgram(sender, give, name="stream's sender", seconds=LIFE_SECONDS) as out:
            out.receive(Sending, patient(SECONDS))
            yield DatagramStream(out, into, rate)

"""What a port does to frames, measured between two guests beside what was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from statistics import median

from pydantic import BaseModel

from farswitch.connections.shell.base import Shell
from farswitch.errors import FarswitchError
from farswitch.model.impairment import Impairment
from farswitch.pace import patient
from farswitch.remote import command
from farswitch.remote_program import RemoteProgram

ECHOES = 20
LOSS_COUNT, LOSS_SIZE, LOSS_GAP = 1000, 64, 0.002
"""Emulated guests send and take these without a loss of their own."""
RATE_SIZE, RATE_SECONDS, RATE_MOST = 1300, 1.5, 6000
HEADERS = 42
"""Bytes of Ethernet, IPv4 and UDP."""
SECONDS = 30.0
LIFE_SECONDS = 120.0
Z = 1.96
"""Of a 95 % interval."""


class AnswerPort(BaseModel):
    """`port_figures.py answer`: where it listens."""

    port: int


class AnswerEnd(BaseModel):
    """To `port_figures.py answer`."""


class CountedDatagrams(BaseModel):
    """`port_figures.py answer`: what arrived."""

    received: int
    seconds: float
    bytes: int


class Asked(BaseModel):
    """`port_figures.py ask`: what came back, and what was sent."""

    round_trips: list[float]
    sent: int


@dataclass(frozen=True, slots=True)
class Figure:
    """A quantity, as it was asked for and as it was measured.

    Attributes:
        quantity: "delay" of a round trip in ms, "loss" in percent, or "rate" in Mbit/s.
        direction: "to_guest", "from_guest", or "both" of a round trip.
        low, high: The 95 % interval of a loss that was measured.
    """

    quantity: str
    direction: str
    asked: float
    got: float
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        unit = {"delay": "ms", "loss": "%", "rate": "Mbit/s"}[self.quantity]
        between = "" if self.low is None else f" (95 %: {self.low:.3g} to {self.high:.3g} %)"
        what = "round trip" if self.quantity == "delay" else f"{self.quantity} {self.direction}"
        sign = "+" if self.quantity == "delay" else ""
        return f"{what} {sign}{self.got:.4g} {unit}{between}, asked {sign}{self.asked:.4g} {unit}"


@dataclass(frozen=True, slots=True)
class Way:
    """From one guest to another, which has the address."""

    sender: Shell
    receiver: Shell
    address: str

    def measure(
        self, echoes: int, count: int, size: int, gap: float
    ) -> tuple[Asked, CountedDatagrams]:
        """Send, and return what came back and what arrived.

        Raises:
            FarswitchError: A guest cannot be logged in to, or its program failed.
        """
        take = command("port_figures", "answer", self.address, str(LIFE_SECONDS))
        with RemoteProgram(
            self.receiver, take, name="measuring program", seconds=LIFE_SECONDS
        ) as into:
            port = into.receive(AnswerPort, patient(SECONDS)).port
            numbers = map(str, (port, echoes, count, size, gap))
            give = command("port_figures", "ask", self.address, *numbers)
            done = self.sender.run(give, timeout=patient(LIFE_SECONDS))
            return Asked.model_validate_json(done.stdout), into.ask(AnswerEnd(), CountedDatagrams)

    def round_trip(self) -> float:
        """Return the median of round trips, in seconds.

        Raises:
            FarswitchError: None came back.
        """
        asked, _ = self.measure(ECHOES, 0, LOSS_SIZE, 0)
        if not asked.round_trips:
            raise FarswitchError(f"No echo came back to '{self.sender.host}'.")
        return median(asked.round_trips)

    def loss(self, want: Impairment, direction: str) -> Figure:
        """Return the loss of this way."""
        asked, counted = self.measure(0, LOSS_COUNT, LOSS_SIZE, LOSS_GAP)
        low, high = interval(asked.sent - counted.received, asked.sent)
        got = 100 * (1 - counted.received / asked.sent)
        return Figure("loss", direction, want.loss / 10_000, got, 100 * low, 100 * high)

    def rate(self, want: Impairment, direction: str) -> Figure:
        """Return the rate of this way, which is at most what the sender can."""
        rate = want.rate or 0
        count = max(20, min(RATE_MOST, int(RATE_SECONDS * rate / 8 / RATE_SIZE)))
        _, counted = self.measure(0, count, RATE_SIZE, 0)
        frames = counted.bytes + HEADERS * max(0, counted.received - 1)
        got = 8 * frames / counted.seconds if counted.seconds else 0.0
        return Figure("rate", direction, rate / 1e6, got / 1e6)


def interval(count: int, of: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson, 1927)."""
    share, square = count / of, Z * Z / of
    centre = (share + square / 2) / (1 + square)
    half = Z * sqrt(share * (1 - share) / of + square / (4 * of)) / (1 + square)
    return max(0.0, centre - half), min(1.0, centre + half)

"""The generator of frames on a hypervisor: trials, and what it counted of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event

from pydantic import BaseModel

from farswitch.connections.shell.base import Shell
from farswitch.errors import FarswitchError
from farswitch.proof.frame_counts import Ready
from farswitch.remote_program import RemoteProgram

CRC = 4
"""Bytes that RFC 2544 and 2889 count to a frame, and a tunnel does not carry."""
LARGEST = 9216
"""Bytes of a frame without its CRC: `LONGEST` of generator.c."""
ALL, EVERYBODY, NOBODY = 0, -1, -2
"""In place of a port: each other one in turn, the broadcast address, an address that none has."""
QUIET = 0.2
"""Seconds without a frame after which a trial is over; at most 2 s are waited (RFC 2544, 23)."""


class Trial(BaseModel):
    """Frames of one size that are sent for some time; generator.c reads the fields in this order.

    Attributes:
        source: The port that sends, from 1; `ALL`: each in turn.
        to: The port whose address they are for, or one of `ALL`, `EVERYBODY`, `NOBODY`.
        size: Bytes of a frame without its CRC.
        rate: Frames a second; 0: as fast as it can.
        frames: How many at most; 0: as many as the time allows.
        addresses: How many addresses a set has.
        learn, probe: The first number of the set that frames come from, or are for; 0: none. Those
            for a set should arrive at `to`.
    """

    source: int
    to: int
    size: int
    rate: float
    seconds: float
    frames: int = 0
    addresses: int = 0
    learn: int = 0
    probe: int = 0
    quiet: float = QUIET


class TrialCounts(BaseModel):
    """What came of a trial; each frame counts once at a port, `doubled` are the others.

    Attributes:
        sent: Frames that the kernel took.
        refused: How often it did not take one, which was sent again.
        seconds: That the sending took.
        received: Frames by port.
        delivered: Those that came in where they were for, all copies of what is for all.
        strayed: Those for one port that came in at another.
        reordered: Those that came after a later one.
        late: Those delivered that came more than 0.1 s after the last was sent: they were stored.
        overrun: Frames that the generator itself had no room for.
        latency_us: Median, 95th and 99th percentile and maximum, in microseconds.
        silence_ms: The longest time between two frames, in milliseconds.
    """

    sent: int
    refused: int
    seconds: float
    received: Sequence[int]
    delivered: int
    strayed: int
    doubled: int
    reordered: int
    late: int
    overrun: int
    latency_us: tuple[float, float, float, float]
    silence_ms: float

    @property
    def rate(self) -> float:
        """Frames a second that were sent."""
        return self.sent / self.seconds if self.seconds else 0.0

    def lost(self, copies: int = 1) -> int:
        """Return how many copies did not arrive, of so many a frame, through no fault of ours."""
        return max(0, self.sent * copies - self.delivered - self.overrun)

    def held_back(self, copies: int = 1) -> float:
        """Return the share of copies that did not arrive in time: lost, or stored meanwhile."""
        wanted = self.sent * copies
        return min(1.0, (self.lost(copies) + self.late) / wanted) if wanted else 1.0


@dataclass(frozen=True, slots=True)
class FrameGenerator:
    """One that runs, on so many ports; no trial begins when it is to stop."""

    program: RemoteProgram
    ports: int
    stop: Event

    def begin(self, trial: Trial) -> None:
        """Begin a trial; `end` waits for it.

        Raises:
            FarswitchError: The run is to stop.
        """
        if self.stop.is_set():
            raise FarswitchError("The measuring was interrupted.")
        self.program.send(trial)

    def end(self) -> TrialCounts:
        """Return what came of the trial that has begun."""
        return self.program.receive(TrialCounts)

    def run(self, trial: Trial) -> TrialCounts:
        """Make a trial."""
        self.begin(trial)
        return self.end()


@contextmanager
def frame_generator(
    shell: Shell,
    path: str,
    content: bytes,
    ports: Sequence[tuple[str, str]],
    *,
    seconds: float,
    stop: Event | None = None,
) -> Iterator[FrameGenerator]:
    """Run the generator on a hypervisor; nothing of it is left, also when we are killed.

    Args:
        shell: The hypervisor.
        path: Where it is written; it removes the file at its start.
        content: The compiled program.
        ports: Interface and address of each port.
        seconds: After which it ends in any case.
        stop: Set when no further trial is to begin.
    """
    shell.write(path, content, mode=0o700)
    argv = [path, str(int(seconds)), *(f"{device}={mac}" for device, mac in ports)]
    with RemoteProgram(shell, argv, name="generator of frames", seconds=seconds) as program:
        program.receive(Ready)
        yield FrameGenerator(program, len(ports), stop or Event())

"""The tests of one switch, each made of trials: RFC 2544, RFC 2889 and RFC 6201, but short."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

from pydantic import BaseModel

from farswitch.connections.shell.base import Shell
from farswitch.pace import patient
from farswitch.proof.frame_counts import Ready
from farswitch.remote import command
from farswitch.remote_program import RemoteProgram
from farswitch.switch_bench.figures import (
    Latency,
    LearningFigures,
    LightFigures,
    LoadFigures,
    RecoveryFigures,
    SwitchFigures,
)
from farswitch.switch_bench.frame_generator import (
    ALL,
    CRC,
    EVERYBODY,
    NOBODY,
    FrameGenerator,
    Trial,
    TrialCounts,
)
from farswitch.switch_bench.rate_search import Limit, LoadTrial, Throughput, search

TESTS = ("throughput", "latency", "learning", "flooding", "broadcast", "mesh", "recovery")
BARE = ("throughput", "latency")
"""Those that make sense without a switch."""
LIGHT = 1000.0
"""Frames a second of a light load, the same for all switches."""
SMALLEST = 64
"""Bytes of the shortest frame of Ethernet, with its CRC."""
AS_UNDERLAY = 0.95
"""Of the bare underlay's throughput: what reaches this, the underlay limits."""
SOURCE, TARGET, OTHER = 1, 2, 3
TAUGHT = (64, 256, 1024, 4096, 16384)
"""How many addresses a switch is taught, as long as it keeps them all."""
TEACHING = 5000.0
"""Addresses a second at which that is done, or less where the throughput is low."""
FASTEST_OF = 1024
"""Addresses of which the learning rate is searched."""
DOWN_AFTER, DOWN_FOR = 0.5, 0.3
"""Seconds of a stream until its port goes down, and until it comes up again."""
_SHORT = 0.05


class Go(BaseModel):
    """The port is to go down."""

    go: bool = True


class Flapped(BaseModel):
    """It is up again."""

    down_ms: float


@dataclass(slots=True)
class SwitchTrials:
    """The tests of the switch that is behind a generator's ports.

    Attributes:
        seconds: Of each trial.
        sizes: Of the frames, in bytes with the CRC.
        underlay: Throughput by size of the bare underlay; empty where it was not measured.
        progress: Is told what is measured now.
    """

    generator: FrameGenerator
    seconds: float
    sizes: Sequence[int]
    underlay: dict[int, float] = field(default_factory=dict)
    progress: Callable[[str], None] = lambda _: None
    _numbers: count[int] = field(default_factory=lambda: count(1, 1 << 15))

    def run(self, tests: Sequence[str], flap: Callable[[], RemoteProgram]) -> SwitchFigures:
        """Make those of `TESTS` that are chosen; `flap` takes the second port down and up."""
        figures = SwitchFigures()
        for size in self.sizes:
            if "throughput" in tests:
                self.progress(f"throughput at {size} bytes")
                figures.loads.append(self._load(size, SOURCE, TARGET))
            if "latency" in tests:
                self.progress(f"latency at {size} bytes")
                figures.lights.append(self._light(size, TARGET))
                if figures.loads and (half := figures.loads[-1].throughput / 2) > LIGHT:
                    figures.half[size] = latency(self._sent(size, TARGET, half))
        if "flooding" in tests:
            self.progress("flooding of unknown unicast")
            figures.flooding_light = self._light(SMALLEST, NOBODY)
            figures.flooding = self._load(SMALLEST, SOURCE, NOBODY)
        if "broadcast" in tests:
            self.progress("broadcast forwarding")
            figures.broadcast_light = self._light(SMALLEST, EVERYBODY)
            figures.broadcast = self._load(SMALLEST, SOURCE, EVERYBODY)
        if "mesh" in tests:
            self.progress("all ports at once")
            figures.mesh = self._load(SMALLEST, ALL, ALL)
        if "learning" in tests:
            self.progress("address learning")
            figures.learning = self.learning()
        if "recovery" in tests:
            self.progress("recovery of a port")
            figures.recovery = self.recovery(flap)
        return figures

    def ceiling(self) -> dict[int, float]:
        """Return the rates by size that the generator sends into a port that leads nowhere."""
        return {
            size: self.generator.run(self._trial(size, 0, OTHER, NOBODY)).rate
            for size in self.sizes
        }

    def learning(self) -> LearningFigures:
        """Teach more and more addresses, and ask for each: one that is flooded is not known."""
        usual = self._load(SMALLEST, SOURCE, TARGET).throughput
        rate = max(LIGHT / 2, min(TEACHING, usual / 4))
        kept: dict[int, int] = {}
        for many in TAUGHT:
            kept[many] = self._known(many, rate)
            if kept[many] < many:
                break
        most = max((many for many, known in kept.items() if many == known), default=0)
        tried = min(most, FASTEST_OF)

        def attempt(wanted: float) -> LoadTrial:
            known = self._asked(tried, wanted, rate)
            return LoadTrial(wanted or usual, 1 - known / tried)

        fastest = search(attempt).rate if tried and usual else None
        return LearningFigures(rate, kept, most, fastest)

    def recovery(self, flap: Callable[[], RemoteProgram]) -> RecoveryFigures:
        """Take the port that gets frames down and up in the middle of a stream."""
        self._teach(SMALLEST, TARGET, SOURCE)
        seconds = DOWN_AFTER + DOWN_FOR + max(1.0, self.seconds)
        with flap() as program:
            program.receive(Ready)
            self.generator.begin(self._trial(SMALLEST, LIGHT, SOURCE, TARGET, seconds=seconds))
            program.send(Go())
            down = program.receive(Flapped).down_ms
            counted = self.generator.end()
        lost = counted.lost()
        return RecoveryFigures(LIGHT, lost, down, 1e3 * lost / LIGHT, counted.silence_ms)

    def _known(self, many: int, rate: float) -> int:
        """Teach some new addresses, and return how many are known; a loss gets a second try."""
        known = self._asked(many, rate, rate)
        return known if known == many else max(known, self._asked(many, rate, rate))

    def _asked(self, many: int, rate: float, asking: float) -> int:
        """Teach some new addresses at a rate, and return how many are known to a slow asker."""
        first = next(self._numbers)
        of_set = {"addresses": many, "frames": many}
        ports = self._trial(SMALLEST, rate, TARGET, SOURCE, seconds=60, learn=first, **of_set)
        self.generator.run(ports)
        self._teach(SMALLEST, OTHER, SOURCE)
        asked = self._trial(SMALLEST, asking, SOURCE, TARGET, seconds=60, probe=first, **of_set)
        counted = self.generator.run(asked)
        flooded = counted.received[OTHER - 1]
        return max(0, min(counted.delivered, counted.sent - flooded))

    def _load(self, size: int, source: int, to: int) -> LoadFigures:
        """Search the throughput of frames of one size."""
        self._teach(size, to if to > 0 else ALL, source)
        copies = self.generator.ports - 1 if to in (EVERYBODY, NOBODY) else 1

        def attempt(rate: float) -> LoadTrial:
            counted = self.generator.run(self._trial(size, rate, source, to))
            return LoadTrial(counted.rate, counted.held_back(copies), counted.overrun > 0)

        found = search(attempt)
        limit = self._limit(found, size) if to > 0 else _limit_alone(found)
        return LoadFigures(
            size, found.rate, found.below, limit, found.offered, found.forwarded, found.trials
        )

    def _limit(self, found: Throughput, size: int) -> Limit:
        """Tell what kept a throughput from being higher."""
        if (alone := _limit_alone(found)) == "generator":
            return alone
        bare = self.underlay.get(size)
        return "underlay" if bare is not None and found.rate >= AS_UNDERLAY * bare else "switch"

    def _light(self, size: int, to: int) -> LightFigures:
        copies = self.generator.ports - 1 if to in (EVERYBODY, NOBODY) else 1
        counted = self._sent(size, to, LIGHT)
        wanted = counted.sent * copies
        loss = counted.lost(copies) / wanted if wanted else 1.0
        return LightFigures(
            size, counted.sent, loss, counted.doubled, counted.reordered, latency(counted)
        )

    def _sent(self, size: int, to: int, rate: float) -> TrialCounts:
        self._teach(size, to if to > 0 else ALL, SOURCE)
        return self.generator.run(self._trial(size, rate, SOURCE, to))

    def _teach(self, size: int, source: int, to: int) -> None:
        """Let a switch learn where the addresses of ports are; of all, where `source` is `ALL`."""
        target = EVERYBODY if source == ALL else to
        frames = 3 * self.generator.ports if source == ALL else 3
        self.generator.run(
            Trial(
                source=source, to=target, size=size - CRC, rate=LIGHT, seconds=1.0, frames=frames,
                quiet=_SHORT,
            )
        )  # fmt: skip

    def _trial(
        self, size: int, rate: float, source: int, to: int, *, seconds: float = 0.0, **more: int
    ) -> Trial:
        return Trial(
            source=source, to=to, size=size - CRC, rate=rate, seconds=seconds or self.seconds,
            **more,
        )  # fmt: skip


def latency(counted: TrialCounts) -> Latency:
    """Return the latency of a trial, at the load that it had."""
    return Latency(counted.rate, *counted.latency_us)


def _limit_alone(found: Throughput) -> Limit:
    return "generator" if found.limited_by_generator or found.own else "switch"


def port_flap(shell: Shell, interface: str) -> RemoteProgram:
    """Return the program that takes a port of the switch down and up; see `remote/port_flap.py`."""
    argv = command("port_flap", interface, str(DOWN_AFTER), str(DOWN_FOR))
    return RemoteProgram(shell, argv, name="flap of a port", seconds=patient(60.0))

"""What a run records: a row a step or family, and a failure a host."""

from __future__ import annotations

from dataclasses import dataclass, field

from farswitch.errors import FarswitchError, Obstacle, ObstaclesError
from farswitch.proof.check import Check


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong on one host, and what to do about it."""

    host: str
    stage: str
    error: str
    hint: str
    usage: bool = False
    obstacles: tuple[Obstacle, ...] = ()
    """Those of a server that preflight refused: the sentences of `error`, each with its remedy."""

    @property
    def parts(self) -> tuple[Obstacle, ...]:
        """What is reported one by one."""
        return self.obstacles or (Obstacle(self.error, self.hint),)


@dataclass(slots=True)
class Row:
    """One stage of the table; `started` and `ended` are seconds of the monotonic clock."""

    name: str
    started: float
    ended: float
    hosts: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    changed: int = 0
    checks: list[Check] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Wall time from the first host's start to the last host's end."""
        return self.ended - self.started


@dataclass(frozen=True, slots=True)
class Worked:
    """What one step did on one host; `began` and `ended` are seconds of the monotonic clock."""

    step: str
    host: str
    began: float
    ended: float
    changed: int
    failed: bool


def failure_of(host: str, stage: str, error: BaseException | None) -> Failure:
    """Return what an error of a step is to the report."""
    if isinstance(error, FarswitchError):
        obstacles = error.obstacles if isinstance(error, ObstaclesError) else ()
        return Failure(host, stage, str(error), error.hint, error.usage, obstacles)
    text = f"{type(error).__name__}: {error}" if error is not None else "It failed without a cause."
    return Failure(host, stage, text, "The log file has the traceback.")

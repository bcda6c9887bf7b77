"""The runs of a study: one line of JSON each, on the disk before the next one begins."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from farswitch.errors import ConfigError, FarswitchError
from farswitch.site.state_folder import state_folder
from farswitch.study.plan import DISCARDED, RunKey

RESULTS = "results.jsonl"
VERSION = 1


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Value(_Kept):
    """What a run measured; `more` has the 95th and 99th percentile where there are repetitions."""

    value: float
    unit: str
    better: str = "less"
    more: dict[str, float] = {}
    repetitions: int = 1


class HostLoad(_Kept):
    """How busy a server was for a second before the run: shares of its processors' time."""

    cores: int
    idle: float
    steal: float
    load: float
    governor: str = ""


class PathProof(_Kept):
    """What verify found of the path when the cell was entered."""

    ok: bool
    checks: int = 0
    failed: list[str] = []
    conclusion: str = ""


class PortTraffic(_Kept):
    """What a guest's port of the switch counted during the run."""

    received: int
    sent: int
    dropped: int


class PortSamples(_Kept):
    """What ports of the switch carried over the time of a run, by guest.

    Attributes:
        at: Moments, in seconds from the start of the timeline of events; one more than the spans.
        received: Bytes that came into the switch between each two moments.
        sent: Bytes that went out.
    """

    at: list[float]
    received: dict[str, list[int]]
    sent: dict[str, list[int]]


class RunRecord(_Kept):
    """One run. Times are in seconds, `began` since 1970.

    Attributes:
        factors: The cell's, and what they meant: the switch's kind and settings.
        entering: What it took to enter the cell and prove the path, before its first run.
        beside: What the noise gate and the counters took, beside the program's `seconds`.
        values: By the names of metrics; empty where the run failed.
        error: Why it failed; empty where it did not.
        noise: What the gate found too busy, before the run.
        ports: By guest.
        retransmitted: TCP segments of each guest during the run.
        switch: What its adapter says of it.
        exchange: How the switch came: order of the exchange, seconds, and what was lost.
        events: What was done to ports during the run, and when; seconds from its start.
        neighbour_runs: How often the neighbouring job was started meanwhile; 0 where none was.
        environment: Versions and interfaces of all machines, as they were.
    """

    version: int = VERSION
    block: int
    cell: str
    program: str
    command: str
    factors: dict[str, Any]
    began: float
    seconds: float
    entering: float = 0.0
    beside: float = 0.0
    status: int | None = None
    values: dict[str, Value] = {}
    error: str = ""
    output: str = ""
    load: dict[str, HostLoad] = {}
    noise: list[str] = []
    proof: PathProof
    ports: dict[str, PortTraffic] = {}
    retransmitted: dict[str, int] = {}
    switch: dict[str, str] = {}
    exchange: dict[str, Any] = {}
    events: list[dict[str, Any]] = []
    samples: PortSamples | None = None
    neighbour_runs: int = 0
    environment: dict[str, Any] = {}

    @property
    def key(self) -> RunKey:
        return RunKey(self.block, self.cell, self.program)

    @property
    def counts(self) -> bool:
        """Whether it is a result: not the first use of its cell, and not failed."""
        return self.block != DISCARDED and not self.error


def study_folder(name: str) -> Path:
    """Return where a study's results are on the controller."""
    return state_folder() / "studies" / name


def read_results(folder: Path) -> list[RunRecord]:
    """Return the runs that are kept; a last line that was cut off is none.

    Raises:
        ConfigError: A line is no run.
    """
    path = folder / RESULTS
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(f"'{path}' cannot be read: {error.strerror}.") from error
    records = []
    for number, line in enumerate(content.split(b"\n")[:-1], start=1):
        try:
            records.append(RunRecord.model_validate_json(line))
        except ValidationError as error:
            raise ConfigError(
                f"{path}, line {number}: this is no run of a study.",
                hint="Put the file aside, or remove that line.",
            ) from error
    return records


@dataclass(slots=True)
class Results:
    """A study's results, open for more: of one process at a time. Use it as a context manager."""

    folder: Path
    records: list[RunRecord] = field(default_factory=list)
    _file: int = -1

    def __enter__(self) -> Self:
        """Open the file, and cut off what a process left of a line when it was killed.

        Raises:
            FarswitchError: Another process has it open.
            ConfigError: It is not what we wrote.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.open(self.folder / RESULTS, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._file)
            raise FarswitchError(f"The study in {self.folder} runs already.") from error
        content = (self.folder / RESULTS).read_bytes()
        os.ftruncate(self._file, content.rfind(b"\n") + 1)
        self.records = read_results(self.folder)
        _sync(self.folder)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    @property
    def done(self) -> set[RunKey]:
        """The runs that need not be made again: failed ones are tried anew."""
        return {record.key for record in self.records if not record.error}

    def add(self, record: RunRecord) -> None:
        """Keep a run: it is on the disk when this returns."""
        line = record.model_dump_json().encode() + b"\n"
        if os.write(self._file, line) < len(line):
            raise FarswitchError(f"The run cannot be kept: the disk of {self.folder} is full.")
        os.fsync(self._file)
        self.records.append(record)


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


Values = Mapping[str, Mapping[str, Mapping[int, float]]]
"""By metric, cell and block: what was measured."""


def values_of(records: Sequence[RunRecord]) -> dict[str, dict[str, dict[int, float]]]:
    """Return all that counts, by metric, cell and block, percentiles as metrics of their own."""
    found: dict[str, dict[str, dict[int, float]]] = {}
    for record in records:
        if not record.counts:
            continue
        for name, value in record.values.items():
            for metric, number in {name: value.value, **_more(name, value)}.items():
                found.setdefault(metric, {}).setdefault(record.cell, {})[record.block] = number
    return found


def _more(name: str, value: Value) -> dict[str, float]:
    return {f"{name} {share}": number for share, number in value.more.items()}

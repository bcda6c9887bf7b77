"""A Nornir processor that keeps what each stage did: hosts, changes, failures, time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from nornir.core.exceptions import NornirSubTaskError
from nornir.core.inventory import Host
from nornir.core.task import AggregatedResult, MultiResult, Result, Task

from farswitch.errors import ConfigError, FarswitchError
from farswitch.proof.check import Check


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong on one host, and what to do about it."""

    host: str
    stage: str
    error: str
    hint: str
    usage: bool = False


@dataclass(slots=True)
class Row:
    """One stage of the table; `started` and `ended` are seconds of the monotonic clock."""

    name: str
    started: float
    ended: float
    hosts: set[str] = field(default_factory=set)
    touched: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    changed: int = 0

    @property
    def seconds(self) -> float:
        """Wall time from the first host's start to the last host's end."""
        return self.ended - self.started


class Recorder:
    """Collects a row a step and a failure a host, from many worker threads."""

    def __init__(self, progress: Callable[[str], None] | None = None) -> None:
        self.rows: dict[str, Row] = {}
        self.failures: list[Failure] = []
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.checks: list[Check] = []
        self.diffs: list[tuple[str, str, str]] = []
        self.extras: dict[str, Any] = {}
        self.returned: list[tuple[str, str, Result]] = []
        self.results: dict[tuple[str, str], Any] = {}
        self._progress = progress or (lambda _line: None)
        self._begun: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def task_started(self, task: Task) -> None:
        """Nothing: a stage's clock starts with its first host."""

    def task_completed(self, task: Task, result: AggregatedResult) -> None:
        """Nothing: each host was recorded when it ended."""

    def task_instance_started(self, task: Task, host: Host) -> None:
        """Nothing: a chain gives no row, its steps do."""

    def task_instance_completed(self, task: Task, host: Host, result: MultiResult) -> None:
        """Nothing: a chain gives no row, its steps do."""

    def subtask_instance_started(self, task: Task, host: Host) -> None:
        """Note when a host began a step."""
        with self._lock:
            self._begun[task.name, host.name] = time.monotonic()
        self._progress(f"{host.name}: {task.name}")

    def subtask_instance_completed(self, task: Task, host: Host, result: MultiResult) -> None:
        """Record what a step did on a host."""
        self._record(task.name, host.name, result[0])

    def _record(self, stage: str, host: str, own: Result) -> None:
        now = time.monotonic()
        counted = isinstance(own.result, int) and not isinstance(own.result, bool)
        count = getattr(own, "count", own.result if counted else 1)
        changes = count if own.changed else 0
        with self._lock:
            self.returned.append((stage, host, own))
            if not own.failed:
                self.results[stage, host] = own.result
            began = self._begun.get((stage, host), now)
            row = self.rows.setdefault(stage, Row(stage, began, now))
            row.started, row.ended = min(row.started, began), max(row.ended, now)
            row.hosts.add(host)
            row.changed += changes
            if changes:
                row.touched.add(host)
            self.notes += getattr(own, "notes", [])
            self.warnings += getattr(own, "warnings", getattr(own.exception, "__notes__", []))
            self.checks += getattr(own, "checks", [])
            if own.diff:
                self.diffs.append((stage, host, own.diff))
            if own.failed and not isinstance(own.exception, NornirSubTaskError):
                row.failed.add(host)
                failure = _failure(host, stage, own.exception)
                if all((one.host, one.error) != (host, failure.error) for one in self.failures):
                    self.failures.append(failure)


def _failure(host: str, stage: str, error: BaseException | None) -> Failure:
    if isinstance(error, FarswitchError):
        return Failure(host, stage, str(error), error.hint, usage=isinstance(error, ConfigError))
    said = f"{type(error).__name__}: {error}" if error is not None else "It failed without a cause."
    return Failure(host, stage, said, "The log file has the traceback.")

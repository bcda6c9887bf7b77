"""A Nornir processor that keeps what each stage did: hosts, changes, failures, time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Any

from nornir.core.exceptions import NornirSubTaskError
from nornir.core.inventory import Host
from nornir.core.task import AggregatedResult, MultiResult, Result, Task

from farswitch.proof.check import Check
from farswitch.run.plan import Diff
from farswitch.run.progress import View
from farswitch.run.rows import Failure, Row, Worked, failure_of
from farswitch.run.stages import StepsAhead


class Recorder:
    """Collects a row a step and a failure a host, from many worker threads."""

    def __init__(self, view: View | None = None) -> None:
        self.rows: dict[str, Row] = {}
        self.failures: list[Failure] = []
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.diffs: list[Diff] = []
        self.extras: dict[str, Any] = {}
        self.returned: list[tuple[str, str, Result]] = []
        self.timeline: list[Worked] = []
        self.results: dict[tuple[str, str], Any] = {}
        self._view = view or View()
        self._ahead = StepsAhead()
        self._latest = ""
        self._unreported: dict[str, Row] = {}
        self._begun: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def task_started(self, task: Task) -> None:
        """Take over the steps of the next stage: a row is over when no host has it ahead."""
        steps: Any = task.params.get("steps", ())
        names, hosts = [step.name for step in steps], task.nornir.inventory.hosts
        with self._lock:
            self._ahead = StepsAhead(names, hosts)
        self._view.stage(names, len(hosts))

    def task_completed(self, task: Task, result: AggregatedResult) -> None:
        """Nothing: each host was noted when it ended."""

    def task_instance_started(self, task: Task, host: Host) -> None:
        """Nothing: a chain gives no row, its steps do."""

    def task_instance_completed(self, task: Task, host: Host, result: MultiResult) -> None:
        """Note that a host ended its chain, which gives no row: its steps do.

        A step whose arguments could not be had never began; its row has what was in the way.
        """
        own, ended = result[0], len(result) - 1
        if own.failed and not isinstance(own.exception, NornirSubTaskError):
            steps: Any = task.params.get("steps", ())
            self._add(steps[ended].name if steps[ended:] else task.name, host.name, own)
        self._view.left(host.name, failed=result.failed)

    def subtask_instance_started(self, task: Task, host: Host) -> None:
        """Note when a host began a step."""
        with self._lock:
            self._begun[task.name, host.name] = time.monotonic()
            self._latest = task.name
            self._report()
        self._view.began(host.name, task.name)

    def subtask_instance_completed(self, task: Task, host: Host, result: MultiResult) -> None:
        """Keep what a step did on a host."""
        self._add(task.name, host.name, result[0])

    @property
    def checks(self) -> list[Check]:
        """All verdicts so far, row by row."""
        with self._lock:
            return [check for row in self.rows.values() for check in row.checks]

    @property
    def changed(self) -> int:
        """How many objects and settings were changed so far."""
        with self._lock:
            return sum(row.changed for row in self.rows.values())

    def judged(self, family: str, checks: Iterable[Check]) -> None:
        """Keep the verdicts of a family, also of one that could not be observed on any host."""
        now = time.monotonic()
        with self._lock:
            row = self.rows.setdefault(family, Row(family, now, now))
            row.checks += checks
            row.ended = now
            self._unreported[family] = row

    def close(self) -> None:
        """Report the rows that were left when the run ended."""
        with self._lock:
            self._ahead, self._latest = StepsAhead(), ""
            self._report()

    def _report(self) -> None:
        """Report each row that is over: its name may come again until another one began."""
        waiting = {self._latest, *self._ahead.names()}
        for name in [name for name in self._unreported if name not in waiting]:
            self._view.ended(self._unreported.pop(name))

    def _add(self, stage: str, host: str, own: Result) -> None:
        now = time.monotonic()
        changes = getattr(own, "count", 1) if own.changed else 0
        with self._lock:
            self.returned.append((stage, host, own))
            if not own.failed:
                self.results[stage, host] = own.result
            began = self._begun.get((stage, host), now)
            self.timeline.append(Worked(stage, host, began, now, changes, failed=own.failed))
            row = self.rows.setdefault(stage, Row(stage, began, now))
            row.started, row.ended = min(row.started, began), max(row.ended, now)
            self._unreported.setdefault(stage, row)
            self._ahead.ended(host, failed=own.failed)
            row.hosts.add(host)
            row.changed += changes
            self.notes += getattr(own, "notes", [])
            self.warnings += getattr(own, "warnings", getattr(own.exception, "__notes__", []))
            if own.diff:
                self.diffs.append((stage, host, own.diff))
            if own.failed and not isinstance(own.exception, NornirSubTaskError):
                row.failed.add(host)
                failure = failure_of(host, stage, own.exception)
                if (host, failure.error) not in {(old.host, old.error) for old in self.failures}:
                    self.failures.append(failure)
            self._report()

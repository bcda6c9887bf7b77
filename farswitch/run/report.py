"""What a run reports at its end, and the exit code that follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from farswitch.proof.check import Check
from farswitch.run.documents import CheckEntry, FailureEntry, RunDocument
from farswitch.run.plan import Diff, PlanLine, plan_of, totals
from farswitch.run.rows import Failure, Row

OK, FAILED, USAGE, PENDING, INTERRUPTED = 0, 1, 2, 3, 130
"""Exit codes: done; some host or check failed; usage or configuration; a dry run that was asked
for it found changes; interrupted."""
PLANNED = frozenset(
    {"build", "impair", "impair-run", "start", "stop", "switch-use", "teardown"}
    | {"snapshot-remove", "snapshot-restore", "snapshot-save"}
)
"""The workflows that change what stands: their report lists each change."""


@dataclass(slots=True)
class Report:
    """All that one run has to report."""

    workflow: str
    cluster: str
    seconds: float = 0.0
    rows: Sequence[Row] = ()
    failures: Sequence[Failure] = ()
    checks: Sequence[Check] = ()
    diffs: Sequence[Diff] = ()
    notes: list[str] = field(default_factory=list)
    warnings: Sequence[str] = ()
    extras: dict[str, Any] = field(default_factory=dict)
    dry_run: bool = False
    detailed: bool = False
    """Whether the exit code tells a dry run that found changes."""
    log: Path | None = None
    conclusion: str = ""
    ready: Mapping[str, str] | None = None
    """Of a preflight: the servers that can carry their part, each with what was found there."""

    @property
    def plans(self) -> bool:
        """Whether each change is listed."""
        return self.workflow in PLANNED

    @property
    def plan(self) -> tuple[PlanLine, ...]:
        """Each change that was made, or in a dry run would be."""
        return plan_of(self.diffs)

    @property
    def changed(self) -> int:
        return sum(row.changed for row in self.rows)

    @property
    def ok(self) -> bool:
        """Whether no host and no check failed; checks that were all skipped prove nothing."""
        proved = not self.checks or any(check.ok for check in self.checks)
        return proved and not self.failures and all(check.ok is not False for check in self.checks)

    @property
    def exit_code(self) -> int:
        if any(failure.usage for failure in self.failures):
            return USAGE
        if not self.ok:
            return FAILED
        return PENDING if self.detailed and self.changed else OK

    def document(self) -> dict[str, Any]:
        """Return the JSON document: what every run has, and what the workflow adds."""
        common: RunDocument = {
            "workflow": self.workflow,
            "cluster": self.cluster,
            "ok": self.ok,
            "changed": self.changed,
            "failed": len(self.failures) + sum(check.ok is False for check in self.checks),
            "skipped": sum(check.ok is None for check in self.checks),
            "seconds": round(self.seconds, 1),
            "dry_run": self.dry_run,
            "stages": [
                {
                    "name": row.name,
                    "hosts": len(row.hosts),
                    "changed": row.changed,
                    "failed": len(row.failed),
                    "seconds": round(row.seconds, 1),
                }
                for row in self.rows
            ],
            "notes": list(self.notes),
            "warnings": list(self.warnings),
            "failures": [_failure(failure) for failure in self.failures],
            "checks": [_check(check) for check in self.checks],
        }
        return {**common, **self._own(), **self.extras}

    def _own(self) -> dict[str, Any]:
        """Return what not every workflow has."""
        own: dict[str, Any] = {}
        if self.conclusion:
            own["conclusion"] = self.conclusion
        if self.ready is not None:
            own["ready"] = dict(self.ready)
        if self.plans:
            own["plan"] = [asdict(line) for line in self.plan]
            own["totals"] = totals(self.plan)
        return own


def _failure(failure: Failure) -> FailureEntry:
    return {
        "host": failure.host,
        "stage": failure.stage,
        "error": failure.error,
        "hint": failure.hint,
        "obstacles": [
            {"what": one.what, "remedy": one.remedy, "foreign": one.foreign}
            for one in failure.obstacles
        ],
    }


def _check(check: Check) -> CheckEntry:
    return {
        "name": check.name,
        "host": check.host,
        "ok": check.ok,
        "measured": check.measured,
        "expected": check.expected,
        "cause": check.cause,
        "fix": check.fix,
        "hint": check.hint,
    }

"""What a run reports at its end, and the exit code that follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from farswitch.proof.check import Check
from farswitch.run.rows import Failure, Row

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
"""Exit codes: done; some host or check failed; usage or configuration; interrupted."""


@dataclass(slots=True)
class Report:
    """All that one run has to report."""

    workflow: str
    cluster: str
    seconds: float = 0.0
    rows: Sequence[Row] = ()
    failures: Sequence[Failure] = ()
    checks: Sequence[Check] = ()
    diffs: Sequence[tuple[str, str, str]] = ()
    notes: list[str] = field(default_factory=list)
    warnings: Sequence[str] = ()
    extras: dict[str, Any] = field(default_factory=dict)
    dry_run: bool = False
    log: Path | None = None
    conclusion: str = ""

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
        return OK if self.ok else FAILED

    def document(self) -> dict[str, Any]:
        """Return the JSON document of the design."""
        return {
            "workflow": self.workflow,
            "cluster": self.cluster,
            "ok": self.ok,
            "changed": self.changed,
            "failed": len(self.failures) + sum(check.ok is False for check in self.checks),
            "skipped": sum(check.ok is None for check in self.checks),
            "seconds": round(self.seconds, 1),
            "dry_run": self.dry_run,
            **({"conclusion": self.conclusion} if self.conclusion else {}),
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
            "warnings": list(self.warnings),
            "failures": [
                {name: text for name, text in asdict(failure).items() if name != "usage"}
                for failure in self.failures
            ],
            "checks": [asdict(check) | {"hint": check.hint} for check in self.checks],
            **self.extras,
        }

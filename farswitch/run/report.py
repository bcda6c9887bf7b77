"""What a run says at its end: one table and a paragraph per failure, or one JSON document."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from farswitch.proof.check import Check
from farswitch.run.recorder import Failure, Row
from farswitch.run.terminal import shown

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
"""Exit codes: done; some host or check failed; usage or configuration; interrupted."""
_VERDICTS = {True: "ok", False: "FAILED", None: "skipped"}
IN_FULL = 6
"""Failures with one cause and fix that are told one by one; the rest are counted."""
_WORST_FIRST = (False, None, True)


@dataclass(slots=True)
class Report:
    """All that one workflow has to say."""

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
        return proved and not self.failures and all(one.ok is not False for one in self.checks)

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
                {
                    "host": failure.host,
                    "stage": failure.stage,
                    "error": failure.error,
                    "hint": failure.hint,
                }
                for failure in self.failures
            ],
            "checks": [
                {
                    "name": check.name,
                    "host": check.host,
                    "ok": check.ok,
                    "measured": check.measured,
                    "expected": check.expected,
                    "hint": check.hint,
                    "cause": check.cause,
                    "fix": check.fix,
                }
                for check in self.checks
            ],
            **self.extras,
        }


def show(report: Report, *, as_json: bool, verbose: int) -> None:
    """Print the report: people's on stdout, or JSON on stdout and people's on stderr."""
    console = Console(stderr=as_json, highlight=False, soft_wrap=True)
    if verbose or report.dry_run:
        _changes(report, console)
    if report.rows:
        console.print(_stages(report))
    if report.checks:
        console.print()
        console.print(_checks(report))
    for note in report.notes:
        console.print(shown(note))
    for warning in report.warnings:
        console.print(shown(f"\n{warning}", style="bold yellow"))
    _failures(report, console)
    _verdict(report, console)
    if as_json:
        print(json.dumps(report.document(), indent=1))  # noqa: T201


def _changes(report: Report, console: Console) -> None:
    for check in report.checks:
        verdict = _VERDICTS[check.ok]
        console.print(shown(f"{check.host}  {check.name}  {verdict}  {check.measured}"))
    for stage, host, diff in report.diffs:
        console.print(shown(f"{host}  {stage}", style="bold"))
        for line in diff.splitlines():
            console.print(shown(f"  {line}"))


def _stages(report: Report) -> Table:
    figures = (Column(name, justify="right") for name in ("Hosts", "Changed", "Failed", "Time"))
    table = Table("Stage", *figures, box=None)
    for row in report.rows:
        style = "red" if row.failed else "yellow" if row.changed else "green"
        counts = (str(len(row.hosts)), str(row.changed), str(len(row.failed)))
        table.add_row(shown(row.name, style=style), *counts, f"{row.seconds:.1f} s")
    return table


def _checks(report: Report) -> Table:
    """Return a row a kind of check, by family; what failed is told in full below the table."""
    figures = (Column(name, justify="right") for name in ("Made", "Failed", "Skipped"))
    table = Table("Check", *figures, "For instance", box=None)
    family = ""
    for name in dict.fromkeys(check.name for check in report.checks):
        alike = [check for check in report.checks if check.name == name]
        failed, left = (sum(check.ok is verdict for check in alike) for verdict in (False, None))
        style = "red" if failed else "yellow" if left else "green"
        one = min(alike, key=lambda check: _WORST_FIRST.index(check.ok))
        example = shown(f"{one.host}: {one.measured}".splitlines()[0])
        if family and family != one.family:
            table.add_section()
        family = one.family
        counts = (str(len(alike) - left), str(failed), str(left))
        table.add_row(shown(name, style=style), *counts, example)
    return table


def _failures(report: Report, console: Console) -> None:
    for failure in report.failures:
        title = shown(f"\n{failure.host}  {failure.stage}  ", style="bold red")
        console.print(title + shown(failure.error, style="default"))
        if failure.hint:
            console.print(shown(failure.hint))
    failed = [check for check in report.checks if check.ok is False]
    for alike in _groups(failed):
        for check in alike[:IN_FULL]:
            console.print(shown(f"\n{check.host}  {check.name}", style="bold red"))
            console.print(shown(f"measured: {check.measured}\nexpected: {check.expected}"))
            if check.hint:
                console.print(shown(check.hint))
        if rest := alike[IN_FULL:]:
            hosts = ", ".join(dict.fromkeys(check.host for check in rest))
            line = f"\n{alike[0].name}: {len(rest)} more with this cause, on {hosts} (-v)"
            console.print(shown(line, style="bold red"))
    if report.checks and not any(check.ok for check in report.checks):
        console.print(Text("\nEvery check was skipped: nothing is proved.", style="bold red"))


def _groups(failed: Sequence[Check]) -> list[list[Check]]:
    """Return the failures that have name, cause and fix in common, in the order of the first."""
    groups: dict[tuple[str, str, str], list[Check]] = {}
    for check in failed:
        groups.setdefault((check.name, check.cause, check.fix), []).append(check)
    return list(groups.values())


def _verdict(report: Report, console: Console) -> None:
    verb = "would change" if report.dry_run else "changed"
    done = Text("done", style="green") if report.ok else Text("failed", style="red")
    console.print(
        Text(f"\n{report.workflow}{f' of cluster {report.cluster!r}' if report.cluster else ''} ")
        + done
        + Text(f" in {report.seconds:.1f} s, {report.changed} {verb}.")
    )
    if not report.ok and report.log:
        console.print(Text(f"Details: {report.log}"))
    if report.conclusion:
        console.print(Text(report.conclusion, style="bold"))

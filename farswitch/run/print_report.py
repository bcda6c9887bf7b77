"""A report for people: one table, a paragraph per failure, a last sentence."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from farswitch.proof.check import Check
from farswitch.run.report import Report
from farswitch.run.table import table_of, titles_of
from farswitch.run.terminal import shown

_VERDICTS = {True: "ok", False: "FAILED", None: "skipped"}
IN_FULL = 6
"""Failures with one cause and fix that are printed one by one; the rest are counted."""
_WORST_FIRST = (False, None, True)


class PeoplesConsole(Console):
    """A console whose reader may go away, as `head` does: the run that it shows goes on."""

    def on_broken_pipe(self) -> None:
        """Write the rest nowhere; what Python still holds of it at its end, too."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())
        os.close(nowhere)


def console_for(*, as_json: bool) -> Console:
    """Return where people read: standard output, or standard error where JSON goes to the other."""
    return PeoplesConsole(stderr=as_json, highlight=False, soft_wrap=True)


def show(report: Report, *, as_json: bool, verbose: int) -> None:
    """Print the report: people's on stdout, or JSON on stdout and people's on stderr.

    Where it is no terminal, the rows were written when they ended.
    """
    console = console_for(as_json=as_json)
    if verbose or report.dry_run:
        _changes(report, console)
    if report.rows and console.is_terminal:
        console.print(table_of(titles_of(report.rows), report.rows))
    if report.checks and verbose:
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


def _checks(report: Report) -> Table:
    """Return a row a kind of check, by family; what failed is printed in full below."""
    figures = (Column(name, justify="right") for name in ("Made", "Failed", "Skipped"))
    table = Table("Check", *figures, "For instance", box=None)
    family = ""
    for name in dict.fromkeys(check.name for check in report.checks):
        alike = [check for check in report.checks if check.name == name]
        failed, left = (sum(check.ok is verdict for check in alike) for verdict in (False, None))
        style = "red" if failed else "yellow" if left else "green"
        worst = min(alike, key=lambda check: _WORST_FIRST.index(check.ok))
        example = shown(f"{worst.host}: {worst.measured}".splitlines()[0])
        if family and family != worst.family:
            table.add_section()
        family = worst.family
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
        if more := alike[IN_FULL:]:
            hosts = ", ".join(dict.fromkeys(check.host for check in more))
            line = f"\n{alike[0].name}: {len(more)} more with this cause, on {hosts} (-v)"
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

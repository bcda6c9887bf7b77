"""A report for people: one table, a paragraph per failure, a last sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from farswitch.proof.check import Check
from farswitch.run.echo import echo, write_nowhere
from farswitch.run.plan import in_words, print_plan
from farswitch.run.progress import can_draw_anew
from farswitch.run.report import Report
from farswitch.run.rows import Failure
from farswitch.run.table import table_of, titles_of
from farswitch.run.terminal import shown

_VERDICTS = {True: "ok", False: "FAILED", None: "skipped"}
IN_FULL = 6
"""Failures with one cause and fix that are printed one by one; the rest are counted."""
_WORST_FIRST = (False, None, True)


class PeoplesConsole(Console):
    """A console whose reader may go away, as `head` does: the run that it shows goes on."""

    def on_broken_pipe(self) -> None:
        """Write the rest nowhere."""
        write_nowhere(self.file)


def console_for(*, as_json: bool) -> Console:
    """Return where people read: standard output, or standard error where JSON goes to the other."""
    return PeoplesConsole(stderr=as_json, highlight=False, soft_wrap=True)


def show(report: Report, *, as_json: bool, verbose: int) -> None:
    """Print the report: people's on stdout, or JSON on stdout and people's on stderr.

    Where nothing can be drawn anew, the rows were written when they ended.
    """
    console = console_for(as_json=as_json)
    if verbose or report.dry_run:
        _each_check(report, console)
        print_plan(console, report.plan)
    if report.rows and can_draw_anew(console):
        console.print(table_of(titles_of(report.rows), report.rows))
    if report.checks and verbose:
        console.print()
        console.print(_checks(report))
    for note in report.notes:
        console.print(shown(note))
    for warning in report.warnings:
        console.print(shown(f"\n{warning}", style="bold yellow"))
    if report.ready is None:
        failures_on(console, report)
    else:
        console.print(table_of_servers(report.ready, report.failures), soft_wrap=False)
    _verdict(report, console)
    if as_json:
        echo(json.dumps(report.document(), indent=1))


def _each_check(report: Report, console: Console) -> None:
    for check in report.checks:
        verdict = _VERDICTS[check.ok]
        console.print(shown(f"{check.host}  {check.name}  {verdict}  {check.measured}"))


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


def failures_on(console: Console, report: Report) -> None:
    """Print each failure with what to do about it, and each failed check."""
    for failure in report.failures:
        for obstacle in failure.parts:
            title = shown(f"\n{failure.host}  {failure.stage}  ", style="bold red")
            console.print(title + shown(obstacle.what, style="default"))
            if obstacle.remedy:
                console.print(shown(obstacle.remedy))
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


def table_of_servers(servers: Mapping[str, str], failures: Sequence[Failure]) -> Table:
    """Return a row an obstacle, with its remedy, and one a server that has none.

    `servers` has a line for each server that can carry its part: what was found there.
    """
    table = Table("Server", "What was found", "What to do", box=box.SIMPLE, pad_edge=False)
    for server, found in servers.items():
        table.add_row(shown(server, style="green"), shown(found), "nothing: it is ready")
    for failure in sorted(failures, key=lambda failure: failure.host):
        name = shown(failure.host, style="red")
        for obstacle in failure.parts:
            table.add_row(name, shown(obstacle.what), shown(obstacle.remedy))
    return table


def _groups(failed: Sequence[Check]) -> list[list[Check]]:
    """Return the failures that have name, cause and fix in common, in the order of the first."""
    groups: dict[tuple[str, str, str], list[Check]] = {}
    for check in failed:
        groups.setdefault((check.name, check.cause, check.fix), []).append(check)
    return list(groups.values())


def _verdict(report: Report, console: Console) -> None:
    changes = "" if report.dry_run or report.ready is not None else f", {report.changed} changed"
    done = Text("done", style="green") if report.ok else Text("failed", style="red")
    console.print(
        Text(f"\n{report.workflow}{f' of cluster {report.cluster!r}' if report.cluster else ''} ")
        + done
        + Text(f" in {report.seconds:.1f} s{changes}.")
    )
    if not report.ok and report.log:
        console.print(Text(f"Details: {report.log}"))
    if report.dry_run and report.plans:
        console.print(shown(_sum(report), style="bold"))
    if report.conclusion:
        console.print(Text(report.conclusion, style="bold"))


def _sum(report: Report) -> str:
    """Return the last sentence of a plan."""
    if not report.ok:
        return f"Plan, as far as it could be made: {in_words(report.plan)}."
    if report.changed:
        return f"Plan: {in_words(report.plan)}."
    stands = " The cluster stands as the site says." if report.workflow == "build" else ""
    return f"No changes.{stands}"
